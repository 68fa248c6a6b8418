// What each node shows, as HTML.

import { THIS_RUN } from "./gate.js";
import { plot, span } from "./plot.js";
import { savingsTable } from "./savings.js";
import { brief, duration, escape, note, row, soft, three, two } from "./text.js";

const axis = (ends, name = "") => {
  const [low, high] = ends.map((end) => soft(ends[1] - ends[0] < 1 ? three(end) : two(end)));
  return row(low, name && soft(name), high);
};

const CALIBRATE =
  '<button class="calibrate" title="Draw and score images of many prompts with this graph, ' +
  'and judge by the table of their scores from then on">calibrate</button>';

export function gatePage(view) {
  const ends = span(view);
  return [
    row(heading(view), `<span>${soft(source(view))} ${CALIBRATE}</span>`),
    plot(view),
    view.note ? note(view.note) : "",
    view.promised ? note(view.promised) : "",
    ends ? axis(ends, view.byRisk ? "risk" : "") : "",
    row(`<span>${share(view)}</span>`, cost(view)),
    ...view.warnings.map(note),
    savingsTable(view.savings),
  ].join("");
}

function heading({ tau, interval, byRisk }) {
  if (tau === null) return "<b></b>";
  const ends = interval?.map((end) => (end === null ? "?" : three(end))).join(" to ");
  const over = byRisk ? ": images of a higher risk that the teacher's is better go to the teacher" : "";
  const title = `The threshold${ends ? `, and where it belongs: 95 % sure` : ""}${over}`;
  return `<span title="${title}"><b>${byRisk ? "risk τ" : "τ"} ${three(tau)}</b> ${soft(ends)}</span>`;
}

function source({ table, curve, followed }) {
  if (!curve) return "";
  if (followed !== null) return `following ${followed} images`;
  if (!curve.count) return "published percentiles";
  return table === THIS_RUN ? `${curve.count} scores of the last run` : `${curve.count} ${curve.risk ? "pairs" : "scores"}`;
}

function share({ share: percent, under, images, corrected }) {
  const last = under !== null && images.length ? `<span class="soft">${under} of the last ${images.length}</span>` : "";
  const hands = corrected ? soft(`${corrected} corrected`) : "";
  const asked = percent == null ? "" : `${brief(percent)} % to the teacher`;
  return [asked, last, hands].filter(Boolean).join(" ");
}

function cost({ cost: found, unknownCost }) {
  if (!found) return unknownCost && soft(`cost unknown: ${unknownCost}`);
  const { steps, evaluations } = found;
  const more = evaluations && evaluations !== steps ? `, ${brief(evaluations)} model evaluations` : "";
  return `<span title="On average${more}">${brief(steps)} steps per image</span>`;
}

/** A table in the making or made: see host/shown.py and host/files/outlines.py. */
export function tablePage({ done, total, rate, left, name, count, outline }) {
  const bar = `<div class="bar"><div style="width: ${(100 * done) / total}%"></div></div>`;
  const heading = name
    ? row(`<b>${escape(name)}</b>`, soft(`${count} scores`))
    : row(`<b>${done} of ${total}</b>`, soft(pace(rate, left))) + bar;
  const ends = span({ curve: outline });
  return heading + plot({ curve: outline }) + (ends ? axis(ends) : "");
}

const pace = (rate, left) => (left === null ? "" : `${rate.toPrecision(2)} per second, ${duration(left)} left`);
