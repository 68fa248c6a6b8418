// A gate's button that calibrates the graph it stands in and chooses the table.

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { CALIBRATION, calibration } from "./calibrating.js";
import { everyNode, executionId, widgetOf } from "./graph.js";
import { openWorkflow } from "./outputs.js";

let running = null; // {workflow, graph, id: of the gate; prompts: ids that are queued; left: how many make no table yet; each, progress}

/** The gate, while its workflow's tab is open: all tabs share one root graph. */
const gateOf = ({ workflow, graph, id }) =>
  workflow === openWorkflow() && everyNode(app.rootGraph).find((node) => node.graph === graph && node.id === id);

/** What the gate's calibration has done so far, as a calibrating node tells it; null where there is none. */
export const calibrationOf = (gate) => (running && gateOf(running) === gate ? running.progress : null);

const say = (severity, detail) =>
  app.extensionManager.toast.add({ severity, summary: "Calibrate this graph", detail, life: 6000 });

export async function startCalibration(gate) {
  if (running) return say("info", "It calibrates already; interrupt it to stop, and click again to go on.");
  const { output, workflow } = await app.graphToPrompt();
  const title = openWorkflow()?.filename ?? "my graph";
  const id = executionId(gate);
  const plan = output[id] ? calibration(output, id, title, Date.now() % 1e9) : { why: "the gate is not in the queued graph" };
  if (plan.why) return say("warn", `${plan.why}.`);
  const { total, prompts } = plan;
  const progress = { done: 0, total, rate: 0, left: null, outline: { k: [], scores: [] } };
  const each = total / prompts.length; // images of one prompt
  running = { workflow: openWorkflow(), graph: gate.graph, id: gate.id, prompts: new Set(), left: prompts.length, each, progress };
  try {
    for (const prompt of prompts) running?.prompts.add((await api.queuePrompt(0, { output: prompt, workflow })).prompt_id);
    if (running) running.queued = true;
  } catch (error) {
    ended();
    say("error", error.response?.error?.message ?? error.message);
  }
}

/** Of an event's node and prompt: whether they are this calibration's. */
const isOurs = (node) => running && node === CALIBRATION;

/** Keep what a calibrating node tells; whether it was this one. */
export function calibrated(node, progress) {
  if (!isOurs(node)) return false;
  if (progress.total) running.progress = progress;
  return true;
}

/** Count a table that was made; once it is whole, choose it in the gate. loaded: when the gates' menus have it. */
export async function tableMade({ node }, made, loaded) {
  if (!isOurs(node)) return;
  const { each, progress } = running;
  const done = Math.min(progress.total, progress.done + each);
  running.progress = { ...progress, done, rate: null, outline: made.outline };
  if (--running.left) return;
  const gate = gateOf(running);
  ended();
  await loaded;
  const widget = gate && widgetOf(gate, "table");
  if (!widget) return say("success", `The table ${made.name} is made; choose it in the gate.`);
  widget.value = made.name;
  widget.callback?.(made.name);
  openWorkflow()?.changeTracker.captureCanvasState();
  say("success", `The gate judges by ${made.count} scores now.`);
}

/** A prompt that failed, was interrupted, or was taken out of the queue: what was done is kept. */
export function stopped({ detail: { prompt_id: prompt } }) {
  if (running?.prompts.has(prompt)) ended();
}

/** With an empty queue nothing is left to wait for, such as what was taken out of it. */
export function emptied({ detail }) {
  if (running?.queued && detail?.exec_info?.queue_remaining === 0) ended();
}

function ended() {
  running = null;
}
