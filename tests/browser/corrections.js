import assert from "node:assert/strict";
import { test } from "node:test";
import { choose, frames, given, load, picture, run } from "./page.js";

const REJECTED = 40;

/** The thumbnails of a node, to be clicked where a person sees them. */
async function thumbnails(page, id) {
  await page.evaluate((id) => (app.graph.getNodeById(id).adaptive.element.dataset.of = id), id);
  return page.locator(`[data-of="${id}"] figure`);
}

const corrections = (page) =>
  page.evaluate(() => app.graph.getNodeById("gate").widgets.find(({ name }) => name === "corrections").value);

const kinds = async (page, id) => (await picture(page, id)).figures.map(({ verdict }) => verdict);

async function click(page, id, image, options) {
  await (await thumbnails(page, id)).nth(image).click(options);
  await frames(page);
}

/** What the gate said of five images, of which their own percentiles reject two. */
async function ran(page) {
  await load(page, given.graph, ["scores", "report", "gate"]);
  await choose(page, "gate", "k", REJECTED);
  for (const id of ["student", "teacher"]) await choose(page, id, "control_after_generate", "fixed");
  const { gate } = await run(page);
  return gate.adaptive_gate[0];
}

export function corrected(page) {
  for (const id of ["scores", "report"]) {
    test(`a click on an image of ${id} turns its verdict round and no other, and a second one takes that back`, async () => {
      const { rejected, digests } = await ran(page);
      const before = await kinds(page, id);
      const [one, other] = [before.indexOf("teacher"), before.indexOf("kept")];
      assert.ok(one >= 0 && other >= 0, before.join());
      await click(page, id, one);
      await click(page, id, other);
      assert.equal(await corrections(page), `keep ${digests[0][one]}, teacher ${digests[0][other]}`);
      const expected = before.map((kind, i) => (i === one ? "kept corrected" : i === other ? "teacher corrected" : kind));
      assert.deepEqual(await kinds(page, id), expected.map((kind) => kind.replace("corrected", "corrected pending")));
      const after = (await run(page)).gate.adaptive_gate[0];
      assert.deepEqual(after.rejected[0], [0, 1, 2, 3, 4].filter((i) => i !== one && (rejected[0].includes(i) || i === other)));
      assert.deepEqual(await kinds(page, id), expected);
      assert.match((await picture(page, "gate")).text, /2 corrected/);
      await click(page, id, one);
      await click(page, id, other);
      assert.equal(await corrections(page), "");
      assert.deepEqual((await run(page)).gate.adaptive_gate[0].rejected, rejected);
      assert.deepEqual(await kinds(page, id), before);
    });
  }

  test("corrections are the user's change: undone, saved with the workflow, and the image's own in a later run", async () => {
    const { rejected, digests } = await ran(page);
    const [image] = rejected[0];
    await click(page, "scores", image);
    const text = await corrections(page);
    await page.evaluate(() => app.extensionManager.command.execute("Comfy.Undo"));
    await frames(page);
    assert.equal(await corrections(page), "");
    const k = await page.evaluate(() => app.graph.getNodeById("gate").widgets.find(({ name }) => name === "k").value);
    assert.equal(k, REJECTED, "more was undone than the click");
    await click(page, "scores", image);
    const file = await page.evaluate(() => JSON.stringify(app.graph.serialize()));
    await page.evaluate((file) => app.loadGraphData(JSON.parse(file), true, true, "corrected"), file);
    await frames(page);
    assert.equal(await corrections(page), text);
    const again = (await run(page)).gate.adaptive_gate[0];
    assert.deepEqual([again.digests, again.corrected], [digests, [[image]]]);
    await choose(page, "student", "seed", 77);
    assert.deepEqual((await run(page)).gate.adaptive_gate[0].corrected, [[]]);
  });

  test("a thumbnail has the number that reject_indices takes", async () => {
    await ran(page);
    for (const id of ["scores", "report"]) {
      const numbers = await (await thumbnails(page, id)).locator(".number").allInnerTexts();
      assert.deepEqual(numbers, ["0", "1", "2", "3", "4"]);
    }
    await choose(page, "gate", "reject_indices", "1, 4");
    assert.deepEqual((await run(page)).gate.adaptive_gate[0].rejected, [[1, 4]]);
    assert.deepEqual(await kinds(page, "scores"), ["kept", "teacher", "kept", "kept", "teacher"]);
  });

  test("corrections that come over a link are left alone by a click", async () => {
    await load(page, { ...given.graph, text: { class_type: "PrimitiveString", inputs: { value: "" } } }, ["scores", "gate"]);
    await page.evaluate(() => {
      const [text, gate] = ["text", "gate"].map((id) => app.graph.getNodeById(id));
      text.connect(0, gate, gate.inputs.findIndex(({ name }) => name === "corrections"));
    });
    await run(page);
    await click(page, "scores", 0);
    assert.equal(await corrections(page), "");
  });
}

export function closer(page) {
  const seen = async () => {
    const dialog = page.locator("dialog.adaptive-closer");
    await dialog.waitFor({ timeout: 5000 });
    await page.waitForFunction(() => [...document.querySelectorAll(".adaptive-closer img")].every((image) => image.complete));
    return dialog.evaluate((element) => ({
      widths: [...element.querySelectorAll("img")].map((image) => (image.naturalWidth ? image.clientWidth : 0)),
      words: [...element.querySelectorAll("figcaption, footer")].map(({ innerText }) => innerText),
    }));
  };

  test("Shift and a click, or the button, show an image large, beside the result where the teacher was asked", async () => {
    const { rejected } = await ran(page);
    const [image] = rejected[0];
    const kept = [0, 1, 2, 3, 4].find((i) => !rejected[0].includes(i));
    for (const id of ["scores", "report"]) {
      await click(page, id, image, { modifiers: ["Shift"] });
      const both = await seen();
      assert.equal(both.widths.length, 2);
      assert.ok(both.widths.every((width) => width > 300), JSON.stringify(both));
      assert.match(both.words.join(), new RegExp(`student .*,result.*,image ${image}`));
      await page.keyboard.press("Escape");
      await page.locator("dialog.adaptive-closer").waitFor({ state: "detached" });
      await (await thumbnails(page, id)).nth(kept).hover();
      await (await thumbnails(page, id)).nth(kept).locator(".closer").click();
      assert.equal((await seen()).widths.length, 1);
      await page.keyboard.press("ArrowRight");
      assert.match((await seen()).words.join(), new RegExp(`image ${(kept + 1) % 5}`));
      await page.locator("dialog.adaptive-closer footer").click();
      await page.locator("dialog.adaptive-closer").waitFor({ state: "detached" });
    }
    assert.equal(await corrections(page), "");
  });
}

export function saved(page) {
  test("the gate and the report tell what the run took, beside the teacher and the student alone", async () => {
    await load(page, given.graph, ["gate", "report"]);
    await choose(page, "student", "seed", Math.floor(Math.random() * 1e9));
    const { run: last, since } = (await run(page)).report.adaptive_savings[0];
    assert.equal(last.images, 5);
    const evaluations = (told) => ` s, ${Math.round(told.evaluations * 10) / 10}`;
    for (const id of ["gate", "report"]) {
      const { text, visible, inside } = await picture(page, id);
      assert.ok(visible && inside, text);
      for (const words of ["this run", "teacher alone", "student alone", evaluations(last), evaluations(last.student)])
        assert.ok(text.includes(words), `${words} is not in ${text}`);
      assert.ok(text.includes(evaluations(last.teacher)), text);
      assert.ok(text.includes(`images\t5\t${since.images}`), text);
    }
  });
}
