import assert from "node:assert/strict";
import { test } from "node:test";
import { costOf } from "../../web/js/cost.js";
import { choose, frames, given, load, picture, run } from "./page.js";

const three = (score) => score.toFixed(3);
const state = ({ tau, tauAt, kept, teacher, text }) => ({ tau, tauAt, kept, teacher, text });

/** The score at a place in the picture, whose ends are written under it. */
function scoreAt({ text }, x) {
  const [low, high] = text.match(/^-?\d+\.\d+$/gm).map(Number);
  return low + ((high - low) * x) / 100;
}

function near(actual, expected, within) {
  assert.ok(Math.abs(actual - expected) <= within, `${actual} is not within ${within} of ${expected}`);
}

export function gate(page, vue) {
  const shown = () => picture(page, "gate");

  test("a gate that was just added lies on its node and says what it needs", async () => {
    await load(page, {}, []);
    await page.evaluate(() => {
      const node = LiteGraph.createNode("AdaptiveThresholdGate");
      app.graph.add(node);
      node.pos = [100, 100];
    });
    await frames(page);
    const seen = await picture(page, await page.evaluate(() => app.graph.nodes[0].id));
    assert.ok(seen.visible && seen.inside, JSON.stringify(seen));
    assert.equal(seen.note, "Run once to see the scores");
  });

  test("threshold, interval, share and cost are those of the table and k", async () => {
    await load(page, given.graph, ["gate", "scores"]);
    await choose(page, "gate", "table", "Demo");
    for (const [k, { tau, interval }] of Object.entries(given.demo)) {
      await choose(page, "gate", "k", Number(k));
      const seen = await shown();
      assert.ok(seen.visible && seen.inside && seen.bars === 2, JSON.stringify(seen));
      assert.equal(seen.tau, `τ ${three(tau).replace("-", "−")}`);
      near(scoreAt(seen, seen.tauAt), tau, 0.01);
      const [steps, evaluations] = given.cost[k];
      assert.ok(seen.titles.includes(`On average, ${evaluations} model evaluations`), seen.titles);
      for (const part of [interval.map(three).join(" to "), `${k} % to the teacher`, `${steps} steps per image`]) {
        assert.ok(seen.text.includes(part), `${part} is not in ${seen.text}`);
      }
    }
  });

  test("threshold, interval and share of a learned gate are its risks', as the pack computes them", async () => {
    await load(page, given.graph, ["gate", "scores"]);
    await choose(page, "gate", "table", "Demo gate");
    for (const [k, { tau, interval }] of Object.entries(given.learned)) {
      await choose(page, "gate", "k", Number(k));
      const seen = await shown();
      assert.ok(seen.visible && seen.inside && seen.bars === 2, JSON.stringify(seen));
      assert.equal(seen.tau, `risk τ ${three(tau)}`);
      near(scoreAt(seen, seen.tauAt), tau, 0.01);
      for (const part of [interval.map(three).join(" to "), `${k} % to the teacher`, "1500 pairs"]) {
        assert.ok(seen.text.includes(part), `${part} is not in ${seen.text}`);
      }
    }
    const { risks, rejected, threshold } = (await run(page)).gate.adaptive_gate[0];
    const fresh = await shown();
    const sides = [true, false].map((verdict) => risks[0].filter((_, i) => rejected[0].includes(i) === verdict));
    for (const [kind, expected] of [[fresh.teacher, sides[0]], [fresh.kept, sides[1]]]) {
      assert.equal(kind.length, expected.length);
      kind.forEach((x, i) => near(scoreAt(fresh, x), expected[i], 0.01));
    }
    assert.ok(sides[0].every((risk) => risk > threshold) && sides[1].every((risk) => risk <= threshold));
  });

  test("evaluations are those of the samplers, and candidates are counted", async () => {
    for (const { graph, steps, evaluations } of given.costs) {
      await load(page, graph, ["gate"]);
      const seen = await shown();
      assert.ok(seen.text.includes(`${steps} steps per image`), seen.text);
      const told = evaluations === null ? "On average" : `On average, ${evaluations} model evaluations`;
      assert.equal(seen.titles, told);
    }
  });

  test("every sampler that is offered costs what the pack says, by what its schema brings", async () => {
    const answer = await page.request.get(`${given.url}/object_info`);
    const { AdaptiveThresholdGate: gate, AdaptiveTeacherRefine: teacher } = await answer.json();
    const { samplers } = gate.input.required.k[1];
    const [options, { options: named }] = teacher.input.required.sampler_name;
    assert.deepEqual(Object.keys(samplers).sort(), [...(named ?? options)].sort());
    for (const { expected, ...settings } of given.evaluations) {
      assert.equal(costOf(settings, samplers).evaluations, expected, JSON.stringify(settings));
    }
  });

  test("the picture follows k while it is dragged", async () => {
    await load(page, given.graph, ["gate"]);
    await choose(page, "gate", "table", "Demo");
    const before = await shown();
    await (vue ? dragNumber(page) : dragOnCanvas(page));
    const [during, k] = [await shown(), await page.evaluate(() => app.graph.getNodeById("gate").widgets[1].value)];
    await page.mouse.up();
    assert.notEqual(k, 30);
    assert.notEqual(during.tauAt, before.tauAt);
    assert.ok(during.text.includes(`${k} % to the teacher`), during.text);
  });

  test("a table of deciles has no threshold outside of them", async () => {
    await load(page, given.graph, ["gate"]);
    await choose(page, "gate", "table", "ImageReward - LCM-SDXL");
    await choose(page, "gate", "k", 5);
    const seen = await shown();
    assert.equal(seen.note, "This table knows 10 to 90 % only");
    assert.equal(seen.tauAt, null);
  });

  test("a run's scores stand in the colours of their verdicts, also when all was cached", async () => {
    await load(page, given.graph, ["gate"]);
    const [
      {
        scores: [scores],
        rejected: [rejected],
        threshold,
      },
    ] = (await run(page)).gate.adaptive_gate;
    const fresh = await shown();
    assert.ok(rejected.length > 0 && rejected.length < 5);
    const expected = (verdict) => scores.filter((_, i) => rejected.includes(i) === verdict);
    for (const [verdict, ticks] of [
      [false, fresh.kept],
      [true, fresh.teacher],
    ]) {
      assert.equal(ticks.length, expected(verdict).length);
      ticks.forEach((x, i) => near(scoreAt(fresh, x), expected(verdict)[i], 0.01));
    }
    assert.equal(fresh.tau, `τ ${three(threshold).replace("-", "−")}`);
    assert.ok(fresh.text.includes(`${rejected.length * 20} % to the teacher`), fresh.text);
    await load(page, given.graph, ["gate"]);
    assert.equal((await shown()).kept.length, 0);
    await run(page);
    assert.deepEqual(state(await shown()), state(fresh));
  });

  test("undo brings the picture back, with the last run", async () => {
    const before = await shown();
    await page.evaluate(() => {
      const { changeTracker } = app.extensionManager.workflow.activeWorkflow;
      changeTracker.captureCanvasState();
      const k = app.graph.getNodeById("gate").widgets[1];
      k.value = 80;
      k.callback(80);
      changeTracker.captureCanvasState();
    });
    await frames(page);
    assert.notEqual((await shown()).tauAt, before.tauAt);
    await page.evaluate(() => app.extensionManager.command.execute("Comfy.Undo"));
    await frames(page);
    assert.deepEqual(state(await shown()), state(before));
  });

  test("going to another workflow and back keeps the picture", async () => {
    const before = await shown();
    await page.evaluate(() => app.extensionManager.command.execute("Comfy.NewBlankWorkflow"));
    await frames(page);
    await page.locator(".workflow-label", { hasText: `test ${page.loaded}.` }).click();
    await page.waitForFunction(() => app.graph.getNodeById("gate"));
    await frames(page);
    assert.deepEqual(state(await shown()), state(before));
  });

  test("a copy has the same table and k, and no run of its own", async () => {
    await load(page, given.graph, ["gate"]);
    await choose(page, "gate", "table", "Demo");
    await choose(page, "gate", "k", 45);
    await run(page);
    const copy = await page.evaluate(() => {
      app.canvas.selectItems([app.graph.getNodeById("gate")]);
      app.canvas.copyToClipboard();
      app.canvas.pasteFromClipboard();
      return app.graph.nodes.find(({ id, type }) => type === "AdaptiveThresholdGate" && id !== "gate").id;
    });
    await frames(page);
    const [original, seen] = [await shown(), await picture(page, copy)];
    assert.equal(seen.tau, original.tau);
    assert.equal(seen.bars, original.bars);
    assert.deepEqual([original.kept.length + original.teacher.length, seen.kept.length + seen.teacher.length], [5, 0]);
  });

  test("what decides by hand or by a link is told, not guessed", async () => {
    await load(page, given.graph, ["gate"]);
    await choose(page, "gate", "reject_indices", "0, 2");
    assert.equal((await shown()).note, "Verdicts by hand");
    await run(page);
    const byHand = await shown();
    assert.deepEqual([byHand.kept.length, byHand.teacher.length, byHand.tauAt], [3, 2, null]);
    assert.ok(byHand.text.includes("40 % to the teacher"), byHand.text);
    await choose(page, "gate", "reject_indices", "");
    await page.evaluate(() => {
      const budget = LiteGraph.createNode("AdaptiveBudget");
      app.graph.add(budget);
      const gate = app.graph.getNodeById("gate");
      budget.connect(
        0,
        gate,
        gate.inputs.findIndex(({ name }) => name === "k"),
      );
      gate.widgets[0].value = "Demo";
      gate.widgets[0].callback("Demo");
    });
    await frames(page);
    assert.equal((await shown()).note, "k comes from a link: run once to see the threshold");
    const [{ k, threshold }] = (await run(page)).gate.adaptive_gate;
    const linked = await shown();
    assert.equal(linked.tau, `τ ${three(threshold).replace("-", "−")}`);
    assert.ok(linked.text.includes(`${Math.round(k * 10) / 10} % to the teacher`), linked.text);
  });
}

async function dragOnCanvas(page) {
  const y = await page.evaluate(() => app.graph.getNodeById("gate").widgets[1].y);
  await drag(page, 220, 100 + y + 10);
}

async function dragNumber(page) {
  const box = await page.locator('[data-node-id="gate"] [role=spinbutton]').boundingBox();
  await drag(page, box.x + box.width / 2, box.y + box.height / 2);
}

async function drag(page, x, y) {
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + 60, y, { steps: 8 });
  await frames(page);
}
