import assert from "node:assert/strict";
import { test } from "node:test";
import { frames, load, picture } from "./page.js";

const PACK = "adaptive_diffusion";
const MOST_CLICKS = 4;

/** Clicks one after the other, counted and by what is written there. */
function mouse(page) {
  let clicks = 0;
  const click = (where) => (clicks++, where.click({ timeout: 60_000 }));
  return { click, clicks: () => clicks };
}

const ended = (page) =>
  page.evaluate(() => {
    const { api } = window.comfyAPI.api;
    window.ended = new Promise((done) => {
      for (const event of ["execution_success", "execution_error"])
        api.addEventListener(event, () => done(event), { once: true });
    });
  });

export function firstSteps(page) {
  test("four clicks lead from an empty graph to the demo's images with their verdicts", async (t) => {
    await load(page, {}, []);
    await ended(page);
    const begun = performance.now();
    const { click, clicks } = mouse(page);
    await click(page.getByRole("button", { name: "Templates" }).first());
    await click(page.getByRole("dialog").getByText(PACK, { exact: true }));
    await click(page.getByTestId("template-workflow-Adaptive demo"));
    await page.waitForFunction(() => app.graph.nodes.some(({ type }) => type === "AdaptiveReport"));
    await click(page.getByTestId("queue-button"));
    assert.equal(await page.evaluate(() => window.ended), "execution_success");
    const seconds = (performance.now() - begun) / 1000;
    await frames(page);
    const id = await page.evaluate(() => app.graph.nodes.find(({ type }) => type === "AdaptiveReport").id);
    const { figures } = await picture(page, id);
    assert.equal(figures.length, 8);
    assert.deepEqual(new Set(figures.map(({ verdict }) => verdict)), new Set(["kept", "teacher"]));
    assert.ok(clicks() <= MOST_CLICKS, `${clicks()} clicks`);
    t.diagnostic(`${clicks()} clicks, ${seconds.toFixed(1)} s`);
  });
}
