import assert from "node:assert/strict";
import { test } from "node:test";
import { averageCost, costOf, unknownCost } from "../../../web/js/cost.js";
import { drawsUntilEnough, settings, studentOf, teachersOf, valueOf } from "../../../web/js/graph.js";

/**
 * Graphs as ComfyUI holds them: nodes with named inputs and outputs, links by number, subgraphs as nodes. What a slot says
 * of its links itself is deprecated, so these say nothing.
 */
class Graph {
  nodes = [];
  links = new Map();
  subgraphs = new Map();
  inputs = [];
  outputs = [];
  inputNode = { id: "-10" };
  outputNode = { id: "-20" };
  static last = 0;

  constructor(rootGraph) {
    this.rootGraph = rootGraph ?? this;
    if (rootGraph) rootGraph.subgraphs.set(this, this);
  }
  getLink = (id) => this.links.get(id);
  getNodeById = (id) => this.nodes.find((node) => node.id === id);

  add(type, widgets, inputs, more = {}) {
    const node = { id: `n${this.nodes.length}`, type, graph: this, mode: 0, ...more };
    node.widgets = Object.entries(widgets).map(([name, value]) => ({ name, value }));
    node.inputs = [
      ...inputs.map((name) => ({ name })),
      ...node.widgets.map(({ name }) => ({ name, widget: { name } })),
    ];
    node.outputs = ["decision", "scores", "other"].map((name) => ({ name }));
    node.linked = [];
    node.getInputLink = (slot) => this.getLink(node.linked[slot]) ?? null;
    node.getWidgetFromSlot = (input) => node.widgets.find(({ name }) => name === input.widget?.name);
    this.nodes.push(node);
    return node;
  }
  connect(from, output, to, input) {
    const slot =
      from === this.inputNode ? this.slot(this.inputs, output) : from.outputs.findIndex(({ name }) => name === output);
    const end =
      to === this.outputNode ? this.slot(this.outputs, input) : to.inputs.findIndex(({ name }) => name === input);
    const id = ++Graph.last;
    this.links.set(id, { origin_id: from.id, origin_slot: slot, target_id: to.id, target_slot: end });
    if (to === this.outputNode) this.outputs[end].linkIds.push(id);
    else to.linked[end] = id;
  }
  slot(slots, name) {
    if (!slots.some((each) => each.name === name)) slots.push({ name, linkIds: [] });
    return slots.findIndex((each) => each.name === name);
  }
}

const GATE = ["AdaptiveThresholdGate", { k: 50 }, ["scores", "student"]];
const TEACHER = [
  "AdaptiveTeacherRefine",
  { steps: 12, cfg: 8, sampler_name: "euler" },
  ["decision", "sigmas", "sampler", "negative"],
];
const SAMPLERS = { euler: [1, 0, false], heun: [2, 1, false], heunpp2: [3, 3, false], euler_cfg_pp: [1, 0, true] };
const cost = (node) => costOf(settings(node), SAMPLERS);

test("student and teacher are found beside the gate; what is muted or bypassed does not count", () => {
  const root = new Graph();
  const [student, decode, score] = [
    root.add("KSampler", { steps: 4, cfg: 1, sampler_name: "euler" }, []),
    root.add("Decode", {}, ["in"]),
    root.add("Score", {}, ["in"]),
  ];
  const [gate, one, muted] = [root.add(...GATE), root.add(...TEACHER), root.add(...TEACHER, { mode: 2 })];
  root.connect(student, "other", decode, "in");
  root.connect(decode, "other", score, "in");
  root.connect(score, "scores", gate, "scores");
  for (const teacher of [one, muted]) root.connect(gate, "decision", teacher, "decision");
  assert.equal(studentOf(gate), student);
  assert.deepEqual(teachersOf(gate), [one]);
  root.connect(root.add("Text", {}, []), "other", one, "negative");
  assert.deepEqual(averageCost(cost(student), [cost(one)], 50), { steps: 10, evaluations: 16 });
  student.mode = 4;
  assert.equal(studentOf(gate), null);
});

test("links are followed out of one subgraph, into another and through reroutes", () => {
  const root = new Graph();
  const [first, second] = [new Graph(root), new Graph(root)];
  const [gate, inner] = [first.add(...GATE), second.add(...TEACHER)];
  const source = root.add("AdaptiveStudentSample", { steps: 2, cfg: 1 }, []);
  const outer = root.add("first", {}, ["student"], { subgraph: first });
  const reroute = root.add("Reroute", {}, ["in"], { isVirtualNode: true });
  const other = root.add("second", {}, ["decision"], { subgraph: second });
  first.connect(first.inputNode, "student", gate, "student");
  first.connect(gate, "decision", first.outputNode, "decision");
  root.connect(source, "other", outer, "student");
  root.connect(outer, "decision", reroute, "in");
  root.connect(reroute, "decision", other, "decision");
  second.connect(second.inputNode, "decision", inner, "decision");
  assert.equal(studentOf(gate), source);
  assert.deepEqual(teachersOf(gate), [inner]);
});

test("links are followed through other packs' setters and getters, told in either of ComfyUI's ways", () => {
  const root = new Graph();
  const inside = new Graph(root);
  const [gate, near, far] = [root.add(...GATE), root.add(...TEACHER), inside.add(...TEACHER)];
  const set = root.add("Set", {}, ["in"], { isVirtualNode: true });
  root.connect(gate, "decision", set, "in");
  const here = root.add("Get", {}, [], { isVirtualNode: true });
  here.getInputLink = () => set.getInputLink(0);
  const there = inside.add("Get", {}, [], { isVirtualNode: true });
  there.resolveVirtualOutput = () => ({ node: gate, slot: 0 });
  root.connect(here, "decision", near, "decision");
  inside.connect(there, "decision", far, "decision");
  assert.deepEqual(teachersOf(gate), [near, far]);
});

test("a getter without a setter, and reroutes in a circle, lead nowhere", () => {
  const root = new Graph();
  const [gate, teacher] = [root.add(...GATE), root.add(...TEACHER)];
  const lost = root.add("Get", {}, [], { isVirtualNode: true });
  root.connect(lost, "decision", teacher, "decision");
  const [one, other] = ["one", "other"].map(() => root.add("Reroute", {}, ["in"], { isVirtualNode: true }));
  root.connect(one, "other", other, "in");
  root.connect(other, "other", one, "in");
  root.connect(one, "other", gate, "scores");
  assert.deepEqual([teachersOf(gate), studentOf(gate)], [[], null]);
});

test("why a cost is not known is told of a gate that sends its decision on", () => {
  const [known, unknown] = [{ steps: 4, evaluations: 4 }, { steps: undefined, evaluations: NaN }];
  assert.equal(unknownCost(known, [known], true), "");
  assert.equal(unknownCost(null, [known], true), "no steps were found before the gate");
  assert.equal(unknownCost(known, [], true), "no teacher takes the decision");
  assert.equal(unknownCost(known, [known, unknown], true), "only a run tells the steps");
  assert.equal(unknownCost(null, [], false), "");
});

test("a promoted value is its host's; hosts that differ leave it open", () => {
  const root = new Graph();
  const inside = new Graph(root);
  const gate = inside.add(...GATE);
  inside.connect(inside.inputNode, "k", gate, "k");
  root.add("host", { k: 80 }, [], { subgraph: inside });
  assert.equal(valueOf(gate, "k"), 80);
  const another = root.add("host", { k: 20 }, [], { subgraph: inside });
  assert.equal(valueOf(gate, "k"), undefined);
  root.connect(root.add("PrimitiveFloat", { value: 80 }, []), "other", another, "k");
  assert.equal(valueOf(gate, "k"), 80);
});

test("a primitive of the frontend holds its value, though it is never queued", () => {
  const root = new Graph();
  const gate = root.add(...GATE);
  root.connect(root.add("PrimitiveNode", { value: 35 }, [], { isVirtualNode: true }), "other", gate, "k");
  assert.equal(valueOf(gate, "k"), 35);
});

test("steps that a link replaces are unknown, and so is the cost", () => {
  const root = new Graph();
  const teacher = root.add(...TEACHER);
  root.connect(root.add("Sigmas", {}, []), "other", teacher, "sigmas");
  const student = { steps: 4, evaluations: 4 };
  assert.equal(averageCost(student, [cost(teacher)], 50), null);
  assert.equal(averageCost(null, [student], 50), null);
  assert.equal(averageCost(student, [], 50), null);
});

test("evaluations depend on sampler, guidance and whether a negative is linked", () => {
  const root = new Graph();
  const teacher = (widgets) => root.add("AdaptiveTeacherRefine", { steps: 4, cfg: 1, ...widgets }, ["negative", "sampler"]);
  const guided = (widgets) => {
    const node = teacher(widgets);
    root.connect(root.add("Text", {}, []), "other", node, "negative");
    return node;
  };
  assert.equal(cost(guided({ sampler_name: "heun" })).evaluations, 7);
  assert.equal(cost(guided({ sampler_name: "heun", cfg: 3 })).evaluations, 14);
  assert.equal(cost(teacher({ sampler_name: "heun", cfg: 3 })).evaluations, 7);
  assert.equal(cost(teacher({ sampler_name: "heunpp2", steps: 1 })).evaluations, 1);
  assert.equal(cost(guided({ sampler_name: "euler_cfg_pp" })).evaluations, 8);
  assert.equal(cost(teacher({ sampler_name: "euler_cfg_pp" })).evaluations, 4);
});

test("a node that takes no negative of its own is taken to have one", () => {
  assert.equal(cost(new Graph().add("Piped", { steps: 4, cfg: 3, sampler_name: "euler" }, ["pipe"])).evaluations, 8);
});

test("where sampler or guidance are not known or come from a link only the steps are told", () => {
  const root = new Graph();
  const [other, linked, guided] = [root.add(...TEACHER), root.add(...TEACHER), root.add(...TEACHER)];
  other.widgets[2].value = "of another pack";
  root.connect(root.add("Sampler", {}, []), "other", linked, "sampler");
  root.connect(root.add("Float", {}, []), "other", guided, "cfg");
  for (const node of [other, linked, guided, root.add("BasicScheduler", { steps: 12 }, [])]) {
    assert.deepEqual(cost(node), { steps: 12, evaluations: NaN });
    assert.deepEqual(averageCost({ steps: 4, evaluations: 4 }, [cost(node)], 50), { steps: 10, evaluations: NaN });
  }
});

test("Best of N costs its expected candidates, which only a run can tell where their settings are linked", () => {
  const root = new Graph();
  const widgets = { steps: 2, cfg: 1, sampler_name: "heun", k: 50, candidates: 3 };
  const search = root.add("AdaptiveBestOfN", widgets, ["negative", "sampler", "sigmas"]);
  assert.deepEqual(cost(search), { steps: 2 * 1.75, evaluations: 3 * 1.75 });
  root.connect(root.add("Other", {}, []), "other", search, "k");
  assert.equal(averageCost(cost(search), [{ steps: 4, evaluations: 4 }], 50), null);
});

test("what Until Enough costs only a run can tell", () => {
  const widgets = { steps: 2, cfg: 1, sampler_name: "heun", k: 50, images: 4, limit: 16 };
  const search = new Graph().add("AdaptiveUntilEnough", widgets, ["negative", "sampler", "sigmas"]);
  assert.ok(drawsUntilEnough(search) && !drawsUntilEnough(undefined));
  assert.equal(averageCost(cost(search), [{ steps: 4, evaluations: 4 }], 50), null);
});

test("an input of a subgraph that nothing is linked to outside links nothing inside", () => {
  const root = new Graph();
  const inside = new Graph(root);
  const teacher = inside.add(...TEACHER);
  inside.connect(inside.inputNode, "negative", teacher, "negative");
  const host = root.add("host", {}, ["negative"], { subgraph: inside });
  assert.equal(settings(teacher).negative, false);
  root.connect(root.add("Text", {}, []), "other", host, "negative");
  assert.equal(settings(teacher).negative, true);
});
