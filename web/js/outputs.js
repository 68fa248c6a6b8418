// What runs sent to nodes. Each belongs to the workflow that queued it, of which several may be open in tabs.

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { executionId } from "./graph.js";

let started = {}; // the prompt that runs, and the workflow on the canvas when it began

export const openWorkflow = () => app.extensionManager.workflow.activeWorkflow;

const keyOf = ({ id, graph }) => (graph.isRootGraph ? id : `${graph.id}:${id}`);

export const outputOf = (node) => node.graph && app.nodeOutputs[keyOf(node)];

export const runOf = (gate) => outputOf(gate)?.adaptive_gate?.[0];

export const temporaryFile = (name) => api.apiURL(`/view?${new URLSearchParams({ filename: name, type: "temp" })}`);

/** The node on the canvas that runs under this id, such as 3:2 for node 2 of the subgraph that node 3 holds. */
export function executed(id) {
  const [last, ...path] = id.split(":").reverse();
  const graph = path.reverse().reduce((outer, host) => outer?.getNodeById(host)?.subgraph, app.rootGraph);
  return graph?.getNodeById(last);
}

export function began({ detail: { prompt_id: prompt } }) {
  started = { prompt, workflow: openWorkflow() };
}

/** Whether what a prompt sends is of a workflow in another tab; false where nobody knows, as after a reload. */
export const isOfAnotherTab = (prompt) => started.prompt === prompt && started.workflow !== openWorkflow();

/** Learn from an output which workflow its prompt is of: ComfyUI keeps it with that one, too. */
function learnOwner({ prompt_id: prompt, node, output }) {
  const isOwner = ({ changeTracker }) => changeTracker?.nodeOutputs?.[node] === output;
  const workflow = app.extensionManager.workflow.openWorkflows.find(isOwner);
  if (workflow) started = { prompt, workflow };
}

/**
 * ComfyUI gives every output to the node of its id on the canvas, whatever workflow it is of: give a node of ours back
 * what its own workflow's runs sent. The other one's is there once its tab is open.
 */
export function giveBack({ detail }) {
  learnOwner(detail);
  const node = isOfAnotherTab(detail.prompt_id) && executed(detail.node);
  if (!node || !node.comfyClass?.startsWith("Adaptive")) return;
  const own = openWorkflow().changeTracker.nodeOutputs ?? {};
  const output = own[executionId(node)] ?? own[keyOf(node)];
  if (output) app.nodeOutputs[keyOf(node)] = output;
  else delete app.nodeOutputs[keyOf(node)];
}
