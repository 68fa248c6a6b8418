import assert from "node:assert/strict";
import { test } from "node:test";
import { frames, given, load, picture } from "./page.js";

const table = (page) => page.evaluate(() => app.graph.getNodeById("gate").widgets.find(({ name }) => name === "table").value);

/** Click the gate's button, with fewer prompts than a person gets, and wait until the gate has its table. */
async function calibrate(page, counts) {
  await page.evaluate((counts) => {
    window.seen = [];
    const { api } = window.comfyAPI.api;
    const queue = (window.queue ??= api.queuePrompt);
    api.queuePrompt = (number, data) => {
      const prompts = Object.values(data.output).find(({ class_type }) => class_type === "AdaptiveLoadPrompts");
      prompts.inputs.count = counts;
      return queue.call(api, number, data);
    };
    const { element } = app.graph.getNodeById("gate").adaptive;
    element.dataset.of = "gate";
    new MutationObserver(() => window.seen.push(element.innerText)).observe(element, { childList: true });
  }, counts);
  try {
    await page.locator('[data-of="gate"] .calibrate').click();
    await page.waitForFunction(() => /[0-9a-f]{4}$/.test(app.graph.getNodeById("gate").widgets[0].value), null, { timeout: 90_000 });
    await frames(page);
  } finally {
    await page.evaluate(() => (window.comfyAPI.api.api.queuePrompt = window.queue));
  }
}

export function calibrateOpen(page) {
  test("one click on a gate calibrates its graph, shows how far it is, and chooses the table", async () => {
    await load(page, given.graph, ["gate"]);
    assert.equal(await table(page), "this run");
    await calibrate(page, 20);
    const seen = await picture(page, "gate");
    assert.match(seen.text, /20 scores/);
    assert.ok((await page.evaluate(() => window.seen)).some((text) => /of 20/.test(text)), "no progress");
    const inside = await page.evaluate(async () => (await fetch("/api/object_info/AdaptiveThresholdGate")).json());
    const [, { outlines }] = inside.AdaptiveThresholdGate.input.required.table;
    assert.equal(outlines[await table(page)].count, 20);
  });

  test("a graph that Calibrate cannot repeat is calibrated by rounds of itself", async () => {
    const graph = structuredClone(given.graph);
    const { model, positive, latent_image, seed, steps } = graph.student.inputs;
    const sampler = { sampler_name: "lcm", scheduler: "simple", denoise: 1, negative: positive, cfg: 1 };
    graph.student = { class_type: "KSampler", inputs: { model, positive, latent_image, seed, steps, ...sampler } };
    delete graph.gate.inputs.student;
    await load(page, graph, ["gate"]);
    await calibrate(page, 3);
    assert.match((await picture(page, "gate")).text, /30 scores/);
  });
}
