// Finding one's way in a ComfyUI graph, through subgraph boundaries and reroutes.

import { expectedCandidates } from "./cost.js";

const OFF = new Set([2, 4]); // muted, bypassed
const PASSES_ON = "Reroute";
const SEARCH = "AdaptiveBestOfN";
const DRAWS_ON = "AdaptiveUntilEnough"; // how often, only a run can tell
const TEACHERS = new Set(["AdaptiveTeacherRefine", "AdaptiveTeacherRegenerate"]);

export const everyNode = (root) => [root, ...root.subgraphs.values()].flatMap((graph) => graph.nodes);
const hosts = (graph) => everyNode(graph.rootGraph).filter((node) => node.subgraph === graph);

/** What feeds a link: {node}, or {node, input} where the widget of a subgraph's host does. */
export function origins(graph, id) {
  const link = graph?.getLink(id);
  if (!link) return [];
  if (link.origin_id === graph.inputNode?.id)
    return hosts(graph).flatMap((host) => behind(host, host.inputs[link.origin_slot]));
  const node = graph.getNodeById(link.origin_id);
  if (node?.subgraph) {
    return node.subgraph.outputs[link.origin_slot].linkIds.flatMap((inner) => origins(node.subgraph, inner));
  }
  return node?.type === PASSES_ON ? origins(graph, node.inputs[0].link) : node ? [{ node }] : [];
}

const behind = (node, input) => (input.link == null ? [{ node, input }] : origins(node.graph, input.link));

/** The nodes that a link feeds. */
export function targets(graph, id) {
  const link = graph.getLink(id);
  if (!link) return [];
  const onward = (next, output) => (output.links ?? output.linkIds ?? []).flatMap((each) => targets(next, each));
  if (link.target_id === graph.outputNode?.id) {
    return hosts(graph).flatMap((host) => onward(host.graph, host.outputs[link.target_slot]));
  }
  const node = graph.getNodeById(link.target_id);
  if (node?.subgraph) return onward(node.subgraph, node.subgraph.inputs[link.target_slot]);
  return node?.type === PASSES_ON ? onward(graph, node.outputs[0]) : node ? [node] : [];
}

/** The nodes that one output feeds. */
export function fedBy(node, output) {
  const links = node.outputs.find(({ name }) => name === output)?.links ?? [];
  return [...new Set(links.flatMap((id) => targets(node.graph, id)))];
}

const feeds = (node, name) =>
  node.inputs.filter((input) => input.name === name && input.link != null).flatMap(({ link }) => origins(node.graph, link));

export const isLinked = (node, name) => feeds(node, name).some(({ input }) => !input);

/** The value of a widget, or what is linked in its place; undefined where only a run can tell. */
export function valueOf(node, name) {
  const input = node.inputs.find((each) => each.widget?.name === name);
  if (input?.link == null) return node.widgets?.find((each) => each.name === name)?.value;
  const values = new Set(origins(node.graph, input.link).map(held));
  return values.size === 1 ? [...values][0] : undefined;
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
  if (node.type === DRAWS_ON) return NaN;
  return node.type === SEARCH ? expectedCandidates(valueOf(node, "candidates"), valueOf(node, "k")) : 1;
}

/** How often a Best of N draws an image at most, and under which k; null for another node, and where a run must tell. */
export function searchOf(node) {
  if (node?.type !== SEARCH) return null;
  const [limit, k] = ["candidates", "k"].map((name) => valueOf(node, name));
  return limit === undefined || k === undefined ? null : { limit, k };
}

/** The nearest node before `gate` that has steps. */
export function studentOf(gate) {
  const seen = new Set([gate]);
  const first = ["student", "scores"].map((name) => gate.inputs.find((input) => input.name === name));
  const queue = [{ graph: gate.graph, inputs: first }];
  while (queue.length) {
    const { graph, inputs } = queue.shift();
    for (const { node } of inputs.flatMap((input) => origins(graph, input?.link))) {
      if (seen.has(node)) continue;
      seen.add(node);
      if (!OFF.has(node.mode) && node.widgets?.some(({ name }) => name === "steps")) return node;
      queue.push({ graph: node.graph, inputs: node.inputs });
    }
  }
  return null;
}

export const teachersOf = (gate) =>
  fedBy(gate, "decision").filter((node) => TEACHERS.has(node.type) && !OFF.has(node.mode));
