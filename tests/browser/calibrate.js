import assert from "node:assert/strict";
import { test } from "node:test";
import { choose, frames, given, load, picture, run } from "./page.js";

export function calibrate(page, vue) {
  test("calibrating shows how far it is, then its table, and every gate offers it at once", async () => {
    const name = `made with ${vue ? "Nodes 2.0" : "the canvas"}`;
    const graph = structuredClone(given.calibration);
    graph.calibrate.inputs.name = name;
    graph.gate = { class_type: "AdaptiveThresholdGate", inputs: { table: "Demo", k: 30 } };
    await load(page, graph, ["calibrate", "gate"]);
    await page.evaluate(() => {
      window.bars = [];
      const { element } = app.graph.getNodeById("calibrate").adaptive;
      const note = () => window.bars.push(element.querySelector(".bar div")?.style.width, element.innerText);
      new MutationObserver(note).observe(element, { childList: true });
    });
    const [{ outline }] = (await run(page)).calibrate.adaptive_table;
    const bars = await page.evaluate(() => window.bars);
    assert.ok(bars.includes("80%"), bars.join());
    assert.match(bars.join(), /32 of 40[^]*per second, [\d.]+ (s|min) left/);
    const seen = await picture(page, "calibrate");
    assert.ok(seen.visible && seen.inside && seen.text.includes("40 scores"), JSON.stringify(seen));
    assert.equal(seen.tau, name);
    await page.waitForFunction((name) => app.graph.getNodeById("gate").widgets[0].options.values.includes(name), name);
    await choose(page, "gate", "table", name);
    await frames(page);
    assert.equal((await picture(page, "gate")).tau, `τ ${outline.scores[30].toFixed(3).replace("-", "−")}`);
  });
}
