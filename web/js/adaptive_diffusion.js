// Pictures on the nodes of Adaptive Diffusion. Every event that may change one redraws them all, once a frame.

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { costOf } from "./cost.js";
import { BY, gateView } from "./gate.js";
import { everyNode, fedBy, isLinked, searchOf, settings, studentOf, teachersOf, valueOf } from "./graph.js";
import { gatePage, imagesPage, note, reportedImages, scoredImages, tablePage } from "./pages.js";

const GATE = "AdaptiveThresholdGate";
const PICTURES = {
  [GATE]: { draw: drawGate, height: () => 210 },
  AdaptiveQualityScore: { draw: drawImages, height: gridHeight },
  AdaptiveReport: { draw: drawImages, height: gridHeight },
  AdaptiveCalibrate: { draw: drawTable, height: () => 150 },
  AdaptiveTableFromScores: { draw: drawTable, height: () => 150 },
  AdaptiveCalibrateGate: { draw: drawTable, height: () => 150 },
  AdaptiveGateFromScores: { draw: drawTable, height: () => 150 },
};
const [MARGIN, EMPTY] = [6, 34];
const TILE = 70; // width and height of a thumbnail with its share of the gaps
let [outlines, samplers] = [{}, {}];

function drawGate(gate) {
  const by = valueOf(gate, "reject_indices")?.trim() ? BY[1] : isLinked(gate, "threshold_override") ? BY[0] : null;
  const cost = (node) => node && costOf(settings(node), samplers);
  const view = gateView({
    by,
    following: valueOf(gate, "follow"),
    safe: valueOf(gate, "keep_safe"),
    table: isLinked(gate, "percentile_table") ? undefined : valueOf(gate, "table"),
    k: valueOf(gate, "k"),
    outlines,
    run: runOf(gate),
    student: cost(studentOf(gate)),
    search: searchOf(studentOf(gate)),
    teachers: teachersOf(gate).map(cost),
  });
  return gatePage(view);
}

function drawImages(node) {
  const output = outputOf(node);
  if (!output?.adaptive_thumbnails) return null;
  if (output.adaptive_report) return imagesPage(reportedImages(output), temporaryFile);
  const gates = fedBy(node, "scores").filter(({ type }) => type === GATE);
  return imagesPage(scoredImages(output, gates.map(runOf).filter(Boolean)), temporaryFile);
}

function drawTable(node) {
  const shown = node.adaptive.progress ?? outputOf(node)?.adaptive_table?.[0];
  return shown && tablePage(shown);
}

const runOf = (gate) => outputOf(gate)?.adaptive_gate?.[0];

const temporaryFile = (name) => api.apiURL(`/view?${new URLSearchParams({ filename: name, type: "temp" })}`);

function outputOf({ id, graph }) {
  return graph && app.nodeOutputs[graph.isRootGraph ? id : `${graph.id}:${id}`];
}

function addPicture(node) {
  const { draw, height } = PICTURES[node.comfyClass];
  const element = document.createElement("div");
  const picture = { element, draw: () => show(node, draw(node)), height: () => (picture.page ? height(node) : EMPTY) };
  node.adaptive = picture;
  const getMinHeight = () => picture.height() + 2 * MARGIN;
  const options = { serialize: false, hideOnZoom: false, margin: MARGIN, getMinHeight };
  node.addDOMWidget("adaptive_picture", "adaptive_picture", element, options).serialize = false;
  element.className = "adaptive";
  element.innerHTML = note("Shown after a run");
  picture.draw();
}

function show(node, page) {
  const { element, page: before } = node.adaptive;
  if (!page || page === before) return;
  element.innerHTML = node.adaptive.page = page;
  element.style.minHeight = `${node.adaptive.height()}px`;
  element.classList.toggle("still", !element.querySelector(".grid"));
  node.expandToFitContent();
}

/** Up to three rows of thumbnails. */
function gridHeight({ adaptive, size }) {
  const columns = Math.max(1, Math.floor((size[0] - 2 * MARGIN - 14) / TILE));
  const rows = Math.ceil(adaptive.element.querySelectorAll("figure").length / columns);
  return 16 + Math.min(rows, 3) * (TILE + 21);
}

let frame = 0;
function redraw() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    for (const node of everyNode(app.rootGraph)) node.adaptive?.draw();
  });
}

function redrawOnChange(widget) {
  const changed = widget.callback;
  widget.callback = function (...values) {
    redraw();
    return changed?.apply(this, values);
  };
}

/** A table that a run made or changed appears in the gates' menus, as if the user had reloaded the definitions. */
function learnTable({ detail }) {
  const made = detail.output?.adaptive_table?.[0];
  if (!made) return;
  setProgress({ detail: { node: detail.node } });
  if (JSON.stringify(outlines[made.name]) !== JSON.stringify(made.outline)) app.reloadNodeDefs();
}

function setProgress({ detail: { node: id, ...progress } }) {
  const node = executed(id);
  if (node?.adaptive) node.adaptive.progress = progress.total && progress;
  redraw();
}

/** The node that runs under this id, such as 3:2 for node 2 of the subgraph that node 3 holds. */
function executed(id) {
  const [last, ...path] = id.split(":").reverse();
  const graph = path.reverse().reduce((outer, host) => outer?.getNodeById(host)?.subgraph, app.rootGraph);
  return graph?.getNodeById(last);
}

app.registerExtension({
  name: "AdaptiveDiffusion",
  setup() {
    const style = new URL("adaptive.css", import.meta.url);
    document.head.insertAdjacentHTML("beforeend", `<link rel="stylesheet" href="${style}">`);
    for (const event of ["graphChanged", "executed"]) api.addEventListener(event, redraw);
    api.addEventListener("executed", learnTable);
    api.addEventListener("adaptive_diffusion.calibration", setProgress);
  },
  beforeRegisterNodeDef(_, { name, input }) {
    if (name === GATE) [outlines, samplers] = [input.required.table[1].outlines, input.required.k[1].samplers];
  },
  nodeCreated(node) {
    if (node.comfyClass?.startsWith("Adaptive")) node.widgets?.forEach(redrawOnChange);
    if (node.comfyClass in PICTURES) addPicture(node);
  },
  refreshComboInNodes: redraw,
  afterConfigureGraph: redraw,
  onNodeOutputsUpdated: redraw,
});
