import assert from "node:assert/strict";
import { test } from "node:test";
import { CALIBRATION, calibration } from "../../../web/js/calibrating.js";

const node = (class_type, inputs) => ({ class_type, inputs });

function graph() {
  return {
    prompt: node("PrimitiveString", { value: "a red circle" }),
    models: node("CheckpointLoaderSimple", { ckpt_name: "one.safetensors" }),
    positive: node("CLIPTextEncode", { clip: ["models", 1], text: ["prompt", 0] }),
    size: node("EmptyLatentImage", { width: 64, height: 64, batch_size: 8 }),
    student: node("AdaptiveStudentSample", { model: ["models", 0], positive: ["positive", 0], latent_image: ["size", 0], seed: 3, steps: 2 }),
    images: node("VAEDecode", { samples: ["student", 0], vae: ["models", 2] }),
    estimator: node("AdaptiveLoadEstimator", { estimator: "ImageReward.pt" }),
    scores: node("AdaptiveQualityScore", { estimator: ["estimator", 0], images: ["images", 0], prompt: ["prompt", 0] }),
    gate: node("AdaptiveThresholdGate", { scores: ["scores", 0], student: ["student", 1], table: "this run", k: 50 }),
    teacher: node("AdaptiveTeacherRefine", { decision: ["gate", 0] }),
  };
}

const plan = (output) => calibration(output, "gate", "my: graph", 100);

test("a student that Calibrate repeats is given to it, with its models, size and settings, and nothing of the teacher", () => {
  const { prompts, name, total } = plan(graph());
  assert.deepEqual([prompts.length, total], [1, 500]);
  const { class_type, inputs } = prompts[0][CALIBRATION];
  assert.equal(class_type, "AdaptiveCalibrate");
  const { prompts: texts, ...links } = inputs;
  assert.deepEqual(links, {
    ...{ model: ["models", 0], clip: ["models", 1], vae: ["models", 2], estimator: ["estimator", 0] },
    ...{ student: ["student", 1], seed: 0, batch: 8, name },
  });
  assert.deepEqual(prompts[0][texts[0]].inputs, { file: "bundled", column: "caption", count: 500, seed: 0, pictures: 1 });
  for (const left of ["gate", "teacher", "scores"]) assert.ok(!(left in prompts[0]), left);
  assert.match(name, /^my_ graph [0-9a-f]{4}$/);
});

test("the demo's estimator gets the demo's prompts", () => {
  const output = graph();
  output.estimator.inputs.estimator = "demo";
  const [prompt] = plan(output).prompts;
  assert.equal(prompt[prompt[CALIBRATION].inputs.prompts[0]].inputs.file, "demo");
});

test("another graph has another table, and the same one always the same", () => {
  assert.equal(plan(graph()).name, plan(graph()).name);
  const again = graph();
  [again.prompt.inputs.value, again.student.inputs.seed, again.size.inputs.batch_size] = ["a blue square", 4, 2];
  assert.equal(plan(graph()).name, plan(again).name);
  const other = graph();
  other.student.inputs.steps = 4;
  assert.notEqual(plan(graph()).name, plan(other).name);
});

for (const [what, change] of Object.entries({
  "KSampler": (output) => (output.student.class_type = "KSampler"),
  "a linked sampler": (output) => (output.student.inputs.sampler = ["prompt", 0]),
  "an image to begin with": (output) => (output.size.class_type = "VAEEncode"),
  "a ControlNet": (output) => (output.student.inputs.positive = ["control", 0]),
})) {
  test(`a graph with ${what} is queued itself, with lists of prompts and seeds, one image each`, () => {
    const output = { ...graph(), control: node("ControlNetApply", { conditioning: ["positive", 0] }) };
    change(output);
    const { prompts, total } = plan(output);
    assert.deepEqual([prompts.length, total], [10, 100]);
    const [first, second] = prompts;
    const made = first[CALIBRATION];
    assert.equal(made.class_type, "AdaptiveTableFromScores");
    assert.deepEqual([made.inputs.scores, made.inputs.student], [["scores", 0], ["student", 1]]);
    const lists = first.scores.inputs.prompt[0];
    assert.equal(first[lists].class_type, "AdaptiveLoadPrompts");
    assert.deepEqual(first.positive.inputs.text, [lists, 0]);
    assert.deepEqual(first.student.inputs.seed, [lists, 1]);
    if (what !== "an image to begin with") assert.equal(first.size.inputs.batch_size, 1);
    assert.deepEqual([first[lists].inputs.seed, second[lists].inputs.seed], [100, 110]);
    assert.ok(!("prompt" in first) && !("gate" in first));
    assert.equal(output.student.inputs.seed, 3);
  });
}

test("a text that is not linked but the same is one text; another is refused with what to do", () => {
  const output = graph();
  output.student.class_type = "KSampler";
  output.scores.inputs.prompt = output.positive.inputs.text = "a fox";
  assert.equal(plan(output).prompts.length, 10);
  output.scores.inputs.prompt = "a cat";
  assert.match(plan(output).why, /link one text to both/);
  output.gate.inputs.scores = ["student", 0];
  assert.match(plan(output).why, /not from Quality Score/);
});
