// Finding one's way in a ComfyUI graph, through subgraph boundaries and nodes that only pass a link on.

import { expectedCandidates } from "./cost.js";

const OFF = new Set([2, 4]); // muted, bypassed
export const GATE = "AdaptiveThresholdGate";
const [MERGE, REPORT] = ["AdaptiveMerge", "AdaptiveReport"];
const SEARCH = "AdaptiveBestOfN";
const DRAWS_ON = "AdaptiveUntilEnough"; // how often, only a run can tell
const PRIMITIVE = "PrimitiveNode"; // holds a value of its own
const TEACHERS = new Set(["AdaptiveTeacherRefine", "AdaptiveTeacherRegenerate"]);

export const everyNode = (root) => [root, ...root.subgraphs.values()].flatMap((graph) => graph.nodes);
const nodesAround = ({ graph }) => (graph ? everyNode(graph.rootGraph) : []);
const hosts = (graph) => everyNode(graph.rootGraph).filter((node) => node.subgraph === graph);

/** Under which id a node runs, such as 3:2 for node 2 of the subgraph that node 3 holds; the first host's where several do. */
export function executionId({ id, graph }) {
  const [host] = graph.isRootGraph ? [] : hosts(graph);
  return host ? `${executionId(host)}:${id}` : String(id);
}

/** What is linked to an input; null where nothing is, as of a node that stands in no graph yet. */
function linkTo(node, slot) {
  if (!node.graph || slot < 0) return null;
  if (!node.subgraph) return node.getInputLink(slot); // of a subgraph's host this asks for what is inside
  const isIt = ({ target_id: id, target_slot: at }) => String(id) === String(node.id) && at === slot;
  return [...node.graph.links.values()].find(isIt) ?? null;
}

const slotOf = (node, name) => node.inputs.findIndex((input) => input.name === name);

/** What feeds a link: {node}, or {node, input} where the widget of a subgraph's host does. */
function origins(graph, link, seen = new Set()) {
  if (!link || seen.has(link)) return [];
  seen.add(link);
  if (link.origin_id === graph.inputNode?.id) return hosts(graph).flatMap((host) => behind(host, link.origin_slot, seen));
  const node = graph.getNodeById(link.origin_id);
  return node ? given(node, link.origin_slot, seen) : [];
}

function given(node, slot, seen) {
  if (node.subgraph) return within(node.subgraph, slot, seen);
  return node.isVirtualNode && node.type !== PRIMITIVE ? passed(node, slot, seen) : [{ node }];
}

function behind(node, slot, seen) {
  const link = linkTo(node, slot);
  return link ? origins(node.graph, link, seen) : [{ node, input: node.inputs[slot] }];
}

const within = (subgraph, slot, seen) =>
  subgraph.outputs[slot].linkIds.flatMap((id) => origins(subgraph, subgraph.getLink(id), seen));

/** What a node passes on that is never queued itself, such as a reroute or the getter of a pair: asked as ComfyUI asks. */
function passed(node, slot, seen) {
  const source = node.resolveVirtualOutput?.(slot);
  return source ? given(source.node, source.slot, seen) : origins(node.graph, linkTo(node, slot), seen);
}

/** What feeds the input of this name; nothing where no such input is linked. */
function feeds(node, name) {
  const link = linkTo(node, slotOf(node, name));
  return link ? origins(node.graph, link) : [];
}

/** The nodes of these types whose input of this name `node` feeds. */
const fedBy = (node, name, isOne) =>
  nodesAround(node).filter((each) => isOne(each) && feeds(each, name).some((found) => found.node === node));

export const isLinked = (node, name) => feeds(node, name).some(({ input }) => !input);

/** What is linked in the place of a widget; null where nothing is. */
function inPlaceOf(node, name) {
  const slot = node.inputs.findIndex((each) => each.widget?.name === name);
  const link = linkTo(node, slot);
  return link && origins(node.graph, link);
}

/** The value of a widget, or what is linked in its place; undefined where only a run can tell. */
export function valueOf(node, name) {
  const linked = inPlaceOf(node, name);
  if (!linked) return node.widgets?.find((each) => each.name === name)?.value;
  const values = new Set(linked.map(held));
  return values.size === 1 ? [...values][0] : undefined;
}

/** The one widget that a person changes for this value: the node's own or that of a subgraph's host; else undefined. */
export function widgetOf(node, name) {
  const linked = inPlaceOf(node, name);
  if (!linked) return node.widgets?.find((each) => each.name === name);
  const [{ node: host, input } = {}, ...more] = linked;
  return input && !more.length ? host.getWidgetFromSlot(input) : undefined;
}

function held({ node, input }) {
  if (input) return node.getWidgetFromSlot(input)?.value;
  return node.type.startsWith("Primitive") ? node.widgets?.[0]?.value : undefined;
}

/** What the cost of a sampling node depends on (see cost.js); undefined where only a run can tell. */
export function settings(node) {
  const unless = (link, name) => (isLinked(node, link) ? undefined : valueOf(node, name));
  return {
    steps: unless("sigmas", "steps"),
    cfg: valueOf(node, "cfg"),
    sampler: unless("sampler", "sampler_name"),
    negative: isLinked(node, "negative") || !node.inputs.some(({ name }) => name === "negative"),
    candidates: candidatesOf(node),
  };
}

function candidatesOf(node) {
  if (drawsUntilEnough(node)) return NaN;
  return node.type === SEARCH ? expectedCandidates(valueOf(node, "candidates"), valueOf(node, "k")) : 1;
}

/** How often a Best of N draws an image at most, and under which k; null for another node, and where a run must tell. */
export function searchOf(node) {
  if (node?.type !== SEARCH) return null;
  const [limit, k] = ["candidates", "k"].map((name) => valueOf(node, name));
  return limit === undefined || k === undefined ? null : { limit, k };
}

/** Whether a node goes on drawing, so that nobody knows how many of its images lie under a table's threshold. */
export const drawsUntilEnough = (node) => node?.type === DRAWS_ON;

/** The nearest node before `gate` that has steps. */
export function studentOf(gate) {
  const seen = new Set([gate]);
  const queue = ["student", "scores"].map((name) => feeds(gate, name));
  while (queue.length) {
    for (const { node } of queue.shift()) {
      if (seen.has(node)) continue;
      seen.add(node);
      if (!OFF.has(node.mode) && node.widgets?.some(({ name }) => name === "steps")) return node;
      queue.push(node.inputs.flatMap(({ name }) => feeds(node, name)));
    }
  }
  return null;
}

export const teachersOf = (gate) => fedBy(gate, "decision", ({ type, mode }) => TEACHERS.has(type) && !OFF.has(mode));

export const gatesOf = (scores) => fedBy(scores, "scores", ({ type }) => type === GATE);

/** The gates whose decision reaches this node's, also through a merge that hands it on. */
export const gatesBefore = (node) =>
  feeds(node, "decision").flatMap(({ node: from }) =>
    from.type === GATE ? [from] : from.type === MERGE ? gatesBefore(from) : [],
  );

export const reportsOf = (gate) =>
  nodesAround(gate).filter((node) => node.type === REPORT && gatesBefore(node).includes(gate));
