// What the last run sent to nodes.

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

export function outputOf({ id, graph }) {
  return graph && app.nodeOutputs[graph.isRootGraph ? id : `${graph.id}:${id}`];
}

export const runOf = (gate) => outputOf(gate)?.adaptive_gate?.[0];

export const temporaryFile = (name) => api.apiURL(`/view?${new URLSearchParams({ filename: name, type: "temp" })}`);
