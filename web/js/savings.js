// What was saved: see adaptive_diffusion/gate/savings.py.

import { brief, duration, escape } from "./text.js";

const WAYS = { adaptive: (told) => told, "teacher alone": ({ teacher }) => teacher, "student alone": ({ student }) => student };

/** A table of seconds and evaluations, of the last run and since ComfyUI started; "" where nothing is known yet. */
export function savingsTable({ run, since } = {}) {
  const columns = { "this run": run, "since start": since?.images ? since : null };
  const told = Object.entries(columns).filter(([, column]) => column);
  if (!told.length) return "";
  const row = (name, cell) => `<tr><th>${name}</th>${told.map(([, column]) => `<td>${cell(column)}</td>`).join("")}</tr>`;
  const rows = Object.entries(WAYS).map(([name, way]) => row(name, (column) => expense(way(column))));
  const head = `<tr><th></th>${told.map(([name]) => `<th>${name}</th>`).join("")}</tr>`;
  const images = row("images", (column) => column.images);
  return `<table class="savings" title="${escape(ABOUT)}">${head}${images}${rows.join("")}</table>`;
}

const ABOUT =
  "Seconds with loading, text, drawing, decoding and judging; after the comma evaluations of the models, where counted. " +
  "The teacher alone: all images at what it took for the rejected ones; ? where it has not drawn yet.";

function expense(taken) {
  if (!taken) return "?";
  const { seconds, evaluations } = taken;
  return duration(seconds) + (evaluations === null ? "" : `, ${brief(evaluations)}`);
}
