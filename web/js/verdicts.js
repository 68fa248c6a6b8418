// The images on a node and the gate that judged them: what is shown of them, corrected, and seen closer.

import { app } from "../../../scripts/app.js";
import { lookCloser } from "./closer.js";
import { toggled, verdictsOf } from "./corrections.js";
import { gatesBefore, gatesOf, reportsOf, valueOf, widgetOf } from "./graph.js";
import { closerImages, marked, reportedImages, scoredImages } from "./images.js";
import { openWorkflow, outputOf, runOf, temporaryFile } from "./outputs.js";
import { two } from "./text.js";

const CORRECTIONS = "corrections";

/** What a node shows of its images, and the gate that judged them with what it found of each, if any. */
export function imagesOf(node) {
  const output = outputOf(node);
  if (!output?.adaptive_thumbnails) return {};
  const { adaptive_report: entries, adaptive_scores: scored } = output;
  const scores = entries ? entries.map(({ score }) => score) : scored[0].scores.flat();
  const gates = entries ? gatesBefore(node) : gatesOf(node);
  const gate = gates.find((each) => String(runOf(each)?.scores.flat()) === String(scores));
  const run = gate && runOf(gate);
  const shown = entries ? reportedImages(output) : scoredImages(output, run);
  if (!run) return { shown };
  const verdicts = verdictsOf(run, valueOf(gate, CORRECTIONS));
  return { gate, verdicts, shown: marked(shown, verdicts) };
}

/** Turn an image's verdict round in the gate, or take that back; as if the user had written it there. */
export function correct({ gate, verdicts }, image) {
  const widget = gate && widgetOf(gate, CORRECTIONS);
  const { digest, own } = verdicts?.[image] ?? {};
  if (!widget || !digest) return;
  widget.value = toggled(widget.value, digest, own);
  widget.callback?.(widget.value);
  openWorkflow()?.changeTracker.captureCanvasState();
}

export function seeCloser(node, image) {
  const { gate, shown } = imagesOf(node);
  const reports = outputOf(node).adaptive_report ? [node] : gate ? reportsOf(gate) : [];
  const large = reports.map(outputOf).find((output) => output?.adaptive_report?.length === shown.scores.length);
  const images = large ? closerImages(large) : shown.names.map((name, i) => [{ name, caption: two(shown.scores[i]) }]);
  const files = images.map((each) => each.map(({ name, caption }) => ({ url: temporaryFile(name), caption })));
  lookCloser(files, image);
}
