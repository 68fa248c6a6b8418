import assert from "node:assert/strict";
import { test } from "node:test";
import { frames, given, load, picture, run } from "./page.js";

const verdicts = ({ figures }) => figures.map(({ verdict }) => verdict);
const texts = ({ figures }) => figures.map(({ text }) => text);
const two = (score) => score.toFixed(2);

export function images(page) {
  test("scored and reported images are shown with their scores and verdicts", async () => {
    await load(page, given.graph, ["scores", "report"]);
    const { gate, report } = await run(page);
    const [
      {
        scores: [scores],
        rejected: [rejected],
      },
    ] = gate.adaptive_gate;
    const expected = scores.map((_, i) => (rejected.includes(i) ? "teacher" : "kept"));
    await page.waitForFunction(() => [...document.querySelectorAll(".adaptive img")].every((image) => image.complete));
    const scored = await picture(page, "scores");
    assert.ok(scored.visible && scored.inside, JSON.stringify(scored));
    assert.deepEqual(verdicts(scored), expected);
    assert.deepEqual(texts(scored), scores.map((score, i) => `${i}\n${two(score)}`));
    const reported = await picture(page, "report");
    assert.ok(reported.visible && reported.inside, JSON.stringify(reported));
    assert.deepEqual(verdicts(reported), expected);
    assert.deepEqual(
      texts(reported),
      report.adaptive_report.map(({ score }, i) => `${i}\n${two(score)}${rejected.includes(i) ? " → ?" : ""}`),
    );
    const loaded = [...scored.figures, ...reported.figures].flatMap((figure) => figure.loaded);
    assert.deepEqual([loaded.length, loaded.every(Boolean)], [10 + rejected.length, true]);
  });

  test("the checks that an image failed stand on it", async () => {
    await load(page, given.graded, ["scores", "report"]);
    const { scores, report } = await run(page);
    const reasons = scores.adaptive_scores[0].reasons.flat();
    assert.ok(reasons.some(({ length }) => length) && reasons.some(({ length }) => !length), JSON.stringify(reasons));
    assert.deepEqual(
      report.adaptive_report.map((entry) => entry.reasons),
      reasons,
    );
    for (const id of ["scores", "report"]) {
      const { figures, visible, inside } = await picture(page, id);
      assert.ok(visible && inside, id);
      const told = figures.map(({ text }) => text.split("\n").slice(1, -1).join());
      assert.deepEqual(
        told,
        reasons.map((names) => names.join(", ")),
      );
    }
  });

  test("images of a score have no verdict where no gate judged these scores", async () => {
    await load(page, given.graph, ["scores"]);
    await run(page);
    await page.evaluate(() => {
      const gate = app.graph.getNodeById("gate");
      app.nodeOutputs.gate = {
        adaptive_gate: [{ ...app.nodeOutputs.gate.adaptive_gate[0], scores: [[1, 2, 3, 4, 5]] }],
      };
      gate.widgets[1].callback(gate.widgets[1].value);
    });
    await frames(page);
    assert.deepEqual(verdicts(await picture(page, "scores")), ["", "", "", "", ""]);
  });
}
