// What is queued to calibrate the graph that a gate stands in, as ComfyUI's API takes it.

export const CALIBRATION = "adaptive_calibration"; // the id of the node that makes the table
const PROMPTS = "adaptive_calibration_prompts";
const [COUNT, AT_A_TIME, ROUNDS] = [500, 10, 10];

/**
 * The prompts to queue, one after the other, and the name of the table that they make; {why} where the graph does not
 * tell what is to be repeated. output: the graph as it is queued. gate: the gate's id there. title: of the workflow.
 * seed: the first image's, where rounds of the graph itself are queued.
 *
 * A student that Calibrate can repeat is calibrated by it. Any other graph is queued in rounds with lists of prompts.
 */
export function calibration(output, gate, title, seed) {
  const [scores] = output[gate].inputs.scores ?? [];
  const scoring = output[scores];
  if (scoring?.class_type !== "AdaptiveQualityScore") return { why: "the scores are not from Quality Score" };
  const file = isDemo(output, scoring) ? "demo" : "bundled";
  const repeated = byCalibrate(output, scoring);
  const plan = repeated ? [repeated] : byRounds(output, gate, scores, seed);
  if (!plan) return { why: "the prompt that Quality Score reads is not what the images are drawn from; link one text to both" };
  const name = `${title.replace(/[^\p{L}\p{N} _-]/gu, "_")} ${letters(settingsOf(plan[0].graph) + file)}`;
  const prompts = plan.map(({ graph, count, first, ...node }) => ({
    ...graph,
    [PROMPTS]: { class_type: "AdaptiveLoadPrompts", inputs: { file, column: "caption", count, seed: first, pictures: 1 } },
    [CALIBRATION]: { class_type: node.type, inputs: { ...node.inputs, name } },
  }));
  return { prompts, name, total: repeated ? COUNT : AT_A_TIME * ROUNDS };
}

const isLink = (value) => Array.isArray(value);
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const isDemo = (output, { inputs }) => output[inputs.estimator?.[0]]?.inputs.estimator === "demo";

/** The nodes that these links depend on. */
function ancestors(output, links) {
  const found = {};
  const waiting = links.filter(isLink);
  while (waiting.length) {
    const [id] = waiting.pop();
    if (id in found || !output[id]) continue;
    found[id] = output[id];
    waiting.push(...Object.values(output[id].inputs).filter(isLink));
  }
  return found;
}

/** For Calibrate: a Student Sample of its own settings alone, from an empty latent, on the text that is scored. */
function byCalibrate(output, scoring) {
  const decoding = output[scoring.inputs.images?.[0]];
  const [student, slot] = decoding?.class_type === "VAEDecode" ? decoding.inputs.samples : [];
  const drawing = output[student];
  if (drawing?.class_type !== "AdaptiveStudentSample" || slot !== 0) return null;
  const { model, positive, negative, latent_image: latent, denoise = 1, sampler, sigmas } = drawing.inputs;
  const encoding = output[positive?.[0]];
  if (sampler || sigmas || denoise !== 1 || encoding?.class_type !== "CLIPTextEncode") return null;
  if (!/^Empty.*Latent/.test(output[latent?.[0]]?.class_type)) return null;
  if (!same(encoding.inputs.text, scoring.inputs.prompt)) return null;
  const links = { model, clip: encoding.inputs.clip, vae: decoding.inputs.vae, estimator: scoring.inputs.estimator };
  if (negative) links.negative = negative;
  const held = output[latent[0]].inputs.batch_size;
  const batch = Number.isInteger(held) ? Math.min(held, 16) : 4;
  const inputs = { ...links, student: [student, 1], prompts: [PROMPTS, 0], seed: 0, batch };
  const graph = ancestors(output, Object.values(inputs));
  return { graph, type: "AdaptiveCalibrate", inputs, count: COUNT, first: 0 };
}

/** For Table from Scores: what the scores depend on, with lists of prompts and seeds in the places of one. */
function byRounds(output, gate, scores, seed) {
  const text = output[scores].inputs.prompt;
  const scored = { ...ancestors(output, [[scores, 0]]) };
  let drawn = false;
  for (const [id, node] of Object.entries(scored)) {
    const inputs = Object.entries(node.inputs).map(([name, value]) => {
      const isText = text && same(value, text);
      drawn ||= isText && id !== scores;
      return [name, isText ? [PROMPTS, 0] : alone(name, value)];
    });
    scored[id] = { ...node, inputs: Object.fromEntries(inputs) };
  }
  if (!drawn) return null;
  const { student } = output[gate].inputs;
  const inputs = { scores: [scores, 0], ...(student && { student }) };
  const graph = ancestors(scored, Object.values(inputs));
  const node = { graph, type: "AdaptiveTableFromScores", inputs, count: AT_A_TIME };
  return Array.from({ length: ROUNDS }, (_, round) => ({ ...node, first: seed + round * AT_A_TIME }));
}

/** One image a prompt, each with its own seed. */
function alone(name, value) {
  if (["seed", "noise_seed"].includes(name) && !isLink(value)) return [PROMPTS, 1];
  return name === "batch_size" && !isLink(value) ? 1 : value;
}

/** All of a graph that does not change from one image to the next. */
function settingsOf(graph) {
  const drawn = (key, value) => ["seed", "noise_seed", "batch_size", "text"].includes(key) || (key === "value" && value?.length);
  return JSON.stringify(graph, (key, value) => (drawn(key, value) ? undefined : value));
}

/** Four letters that differ for other texts (FNV-1a). */
function letters(text) {
  const mixed = [...text].reduce((hash, sign) => Math.imul(hash ^ sign.codePointAt(0), 16777619), 2166136261);
  return (mixed >>> 16).toString(16).padStart(4, "0");
}
