// Pictures on the nodes of Adaptive Diffusion. Every event that may change one redraws them all, once a frame.

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { calibrated, calibrationOf, emptied, startCalibration, stopped, tableMade } from "./calibrator.js";
import { costOf } from "./cost.js";
import { BY, gateView } from "./gate.js";
import { drawsUntilEnough, everyNode, GATE, isLinked, reportsOf, searchOf, settings, studentOf, teachersOf, valueOf } from "./graph.js";
import { imagesPage } from "./images.js";
import { began, executed, giveBack, isOfAnotherTab, outputOf, runOf, temporaryFile } from "./outputs.js";
import { gatePage, tablePage } from "./pages.js";
import { makeRoom } from "./preview.js";
import { note } from "./text.js";
import { correct, imagesOf, seeCloser } from "./verdicts.js";

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
const [PADDING, LINE_GAP] = [16, 4]; // above and below a picture, and between its parts
const [TILE, GAP, CAPTION, ROWS] = [64, 6, 15, 3]; // of the grid of thumbnails: the least width, and rows before it scrolls
let [outlines, samplers] = [{}, {}];

function drawGate(gate) {
  const progress = calibrationOf(gate);
  if (progress) return tablePage(progress);
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
    until: drawsUntilEnough(studentOf(gate)),
    teachers: teachersOf(gate).map(cost),
    sends: gate.isOutputConnected(0),
  });
  return gatePage({ ...view, savings: savingsOf(gate) });
}

/** What was saved: as told when the last run ended, else by a report, else when the gate ran. */
function savingsOf(gate) {
  const reported = reportsOf(gate).map((report) => outputOf(report)?.adaptive_savings?.[0]);
  return gate.adaptive?.savings ?? reported.find(Boolean) ?? { run: null, since: runOf(gate)?.savings };
}

function drawImages(node) {
  const { shown } = imagesOf(node);
  return shown && imagesPage(shown, temporaryFile);
}

function clicked(node, event) {
  if (event.target.closest(".calibrate")) startCalibration(node).then(redraw);
  const figure = event.target.closest("figure");
  if (!figure) return;
  const image = Number(figure.dataset.image);
  if (event.shiftKey || event.target.closest(".closer")) seeCloser(node, image);
  else correct(imagesOf(node), image);
}

function drawTable(node) {
  const shown = node.adaptive.progress ?? outputOf(node)?.adaptive_table?.[0];
  return shown && tablePage(shown);
}

function addPicture(node) {
  const { draw, height } = PICTURES[node.comfyClass];
  const element = document.createElement("div");
  const least = () => (picture.page ? height(node) + picture.more : EMPTY);
  const picture = { element, more: 0, draw: () => show(node, draw(node)), height: least };
  node.adaptive = picture;
  const getMinHeight = () => picture.height() + 2 * MARGIN;
  const options = { serialize: false, hideOnZoom: false, margin: MARGIN, getMinHeight };
  node.addDOMWidget("adaptive_picture", "adaptive_picture", element, options).serialize = false;
  element.className = "adaptive";
  element.addEventListener("click", (event) => clicked(node, event));
  new ResizeObserver(() => fit(node)).observe(element);
  element.innerHTML = note("Shown after a run");
  picture.draw();
}

function show(node, page) {
  const { element, page: before } = node.adaptive;
  if (!page || page === before) return;
  element.innerHTML = node.adaptive.page = page;
  node.adaptive.more = 0;
  element.classList.toggle("still", !element.querySelector(".grid"));
  grow(node);
  fit(node);
}

function grow(node) {
  const { element, height } = node.adaptive;
  element.style.minHeight = `${height()}px`;
  const grid = element.querySelector(".grid");
  if (grid) grid.style.minHeight = `${gridHeight(node) - PADDING}px`;
  node.expandToFitContent();
}

/** Let the node grow by what of its picture would be cut off, such as sentences that take several lines. */
function fit(node) {
  const { element, page } = node.adaptive;
  if (!element.isConnected || !page) return;
  const more = Math.max(0, Math.ceil(contentHeight(element)) - PICTURES[node.comfyClass].height(node));
  if (more === node.adaptive.more) return;
  node.adaptive.more = more;
  grow(node);
}

/** How high a picture must be, where its plot and its thumbnails have no more than their least heights. */
function contentHeight({ children }) {
  const heights = [...children].map((part) => parseFloat(getComputedStyle(part).minHeight) || part.clientHeight);
  return heights.reduce((sum, height) => sum + height + LINE_GAP, PADDING - LINE_GAP);
}

/** Some rows of thumbnails. */
function gridHeight({ adaptive, size }) {
  const inner = size[0] - 2 * MARGIN - 20;
  const columns = Math.max(1, Math.floor((inner + GAP) / (TILE + GAP)));
  const rows = Math.min(ROWS, Math.ceil(adaptive.element.querySelectorAll("figure").length / columns));
  const side = (inner + GAP) / columns - GAP;
  return rows * (side + CAPTION + GAP) - GAP + PADDING;
}

let frame = 0;
function redraw() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    const nodes = everyNode(app.rootGraph).filter(({ comfyClass }) => comfyClass?.startsWith("Adaptive"));
    nodes.forEach(makeRoom);
    const pictured = nodes.filter(({ adaptive }) => adaptive);
    for (const node of pictured) node.adaptive.draw();
    for (const node of pictured) takePlace(node);
  });
}

/** Undo makes nodes anew, but Nodes 2.0 may go on showing the element of the one before under the same id. */
function takePlace({ id, graph, adaptive: { element } }) {
  if (element.isConnected || graph !== app.canvas.graph) return;
  document.querySelector(`[data-node-id="${CSS.escape(id)}"] .adaptive`)?.replaceWith(element);
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
  setProgress({ detail: { node: detail.node, prompt_id: detail.prompt_id } });
  const isNew = JSON.stringify(outlines[made.name]) !== JSON.stringify(made.outline);
  tableMade(detail, made, isNew && app.reloadNodeDefs()).then(redraw);
}

function setProgress({ detail: { node: id, prompt_id: prompt, ...progress } }) {
  const elsewhere = calibrated(id, progress) || isOfAnotherTab(prompt);
  const node = elsewhere ? null : executed(id);
  if (node?.adaptive) node.adaptive.progress = progress.total && progress;
  redraw();
}

function learnSavings({ detail: { gate: id, prompt_id: prompt, ...savings } }) {
  const gate = isOfAnotherTab(prompt) ? null : executed(id);
  if (gate?.adaptive) gate.adaptive.savings = savings;
  redraw();
}

app.registerExtension({
  name: "AdaptiveDiffusion",
  setup() {
    const style = new URL("adaptive.css", import.meta.url);
    document.head.insertAdjacentHTML("beforeend", `<link rel="stylesheet" href="${style}">`);
    api.addEventListener("execution_start", began);
    api.addEventListener("executed", giveBack);
    for (const event of ["graphChanged", "executed", "execution_error", "execution_interrupted"]) api.addEventListener(event, redraw);
    api.addEventListener("executed", learnTable);
    api.addEventListener("adaptive_diffusion.calibration", setProgress);
    api.addEventListener("adaptive_diffusion.savings", learnSavings);
    for (const event of ["execution_error", "execution_interrupted"]) api.addEventListener(event, stopped);
    api.addEventListener("status", emptied);
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
