import assert from "node:assert/strict";
import { test } from "node:test";
import { choose, frames, given, load, picture, run } from "./page.js";

const PICTURED = ["scores", "gate", "report"];
const text = async (page, id) => (await picture(page, id)).text.replaceAll(/\s/g, "");
const shown = (page) => Promise.all(PICTURED.map((id) => text(page, id)));
const digests = (outputs) => outputs.gate.adaptive_gate[0].digests;

async function turnTo(page, which) {
  await page.evaluate((which) => app.extensionManager.command.execute(`Workspace.${which}OpenedWorkflow`), which);
  await frames(page);
}

/** Queue what is on the canvas, turn to the tab before while it runs, and wait for its end; what it sent. */
async function runBehind(page) {
  const { outputs, heard } = await page.evaluate(async () => {
    const { api } = window.comfyAPI.api;
    const [outputs, heard] = [{}, new Set()];
    const keep = ({ detail }) => {
      outputs[detail.node] = detail.output;
      heard.add(app.extensionManager.workflow.activeWorkflow.path);
    };
    api.addEventListener("executed", keep);
    const ended = new Promise((done) => api.addEventListener("execution_success", done, { once: true }));
    await app.queuePrompt(0);
    await app.extensionManager.command.execute("Workspace.PreviousOpenedWorkflow");
    await ended;
    api.removeEventListener("executed", keep);
    return { outputs, heard: [...heard], open: app.extensionManager.workflow.activeWorkflow.path };
  });
  assert.equal(heard.length, 1, "the run was over before the tab was changed");
  await frames(page);
  return outputs;
}

export function tabs(page) {
  test("what another tab's run sends is not shown on this one, and is there when its own is opened", async () => {
    await load(page, given.graph, PICTURED);
    const empty = await shown(page);
    await load(page, given.graph, PICTURED);
    await choose(page, "student", "seed", Math.floor(Math.random() * 1e9));
    const sent = await runBehind(page);
    assert.deepEqual(await shown(page), empty);
    const own = await run(page);
    const before = await shown(page);
    await turnTo(page, "Next");
    assert.match((await picture(page, "gate")).text, /since ?start/);
    assert.equal((await picture(page, "scores")).figures.length, 5);
    await choose(page, "student", "seed", Math.floor(Math.random() * 1e9));
    const again = await runBehind(page);
    assert.notDeepEqual(digests(again), digests(sent));
    assert.notDeepEqual(digests(own), digests(again));
    assert.deepEqual(await shown(page), before);
    await turnTo(page, "Next");
    const scores = again.scores.adaptive_scores[0].scores[0].map((score) => score.toFixed(2));
    const seen = (await picture(page, "scores")).figures.map(({ text }) => text.split(/\s/).at(-1));
    assert.deepEqual(seen, scores);
  });

  test("a table that another tab's gate calibrates is not chosen in this one's, nor is its progress shown", async () => {
    await load(page, given.graph, ["gate"]);
    const before = await text(page, "gate");
    await load(page, given.graph, ["gate"]);
    const seen = await page.evaluate(async () => {
      const { api } = window.comfyAPI.api;
      const queue = api.queuePrompt;
      api.queuePrompt = (number, data) => {
        Object.values(data.output).find(({ class_type }) => class_type === "AdaptiveLoadPrompts").inputs.count = 40;
        return queue.call(api, number, data);
      };
      const begun = new Promise((done) => api.addEventListener("adaptive_diffusion.calibration", done, { once: true }));
      const ended = new Promise((done) => api.addEventListener("execution_success", done, { once: true }));
      app.graph.getNodeById("gate").adaptive.element.querySelector(".calibrate").click();
      await begun;
      await app.extensionManager.command.execute("Workspace.PreviousOpenedWorkflow");
      const seen = [];
      const { element } = app.graph.getNodeById("gate").adaptive;
      new MutationObserver(() => seen.push(element.innerText)).observe(element, { childList: true });
      await ended;
      api.queuePrompt = queue;
      return seen.join();
    });
    await page.getByText(/The table .* is made; choose it in the gate/).first().waitFor();
    assert.doesNotMatch(seen, / of 40/);
    assert.equal(await text(page, "gate"), before);
    assert.equal(await page.evaluate(() => app.graph.getNodeById("gate").widgets[0].value), "this run");
  });
}
