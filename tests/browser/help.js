import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { frames, reload, set } from "./page.js";

const LOCALES = new URL("../../locales/", import.meta.url);
const LANGUAGES = readdirSync(LOCALES);

/** Select a new node of this kind and ask for its help; its title on the page, and what the help says. */
async function help(page, type, title) {
  await page.evaluate((type) => {
    app.graph.clear();
    const node = LiteGraph.createNode(type);
    app.graph.add(node);
    node.pos = [600, 200];
    app.canvas.ds.scale = 1;
    app.canvas.ds.offset = [0, 0];
    app.canvas.deselectAll();
    app.canvas.select(node);
    app.canvas.onSelectionChange?.(app.canvas.selected_nodes);
  }, type);
  await frames(page);
  await page.getByTestId("info-button").click({ timeout: 20_000 });
  const content = page.locator(".node-help-content :is(.markdown-content, .comfy-markdown-content)");
  await content.locator("h1", { hasText: title }).waitFor({ timeout: 20_000 });
  return { heading: await content.locator("h1").first().innerText(), text: await content.innerText() };
}

export function helpPages(page) {
  for (const language of LANGUAGES) {
    test(`every node opens its help page in ${language}`, async () => {
      await set(page, "Comfy.Locale", language);
      await reload(page);
      const nodes = JSON.parse(readFileSync(new URL(`${language}/nodeDefs.json`, LOCALES), "utf8"));
      const registered = await page.evaluate(() =>
        Object.keys(LiteGraph.registered_node_types).filter((type) => type.startsWith("Adaptive")),
      );
      assert.deepEqual(Object.keys(nodes).sort(), registered.sort());
      for (const [type, { display_name: title, inputs }] of Object.entries(nodes)) {
        const { heading, text } = await help(page, type, title);
        assert.equal(heading, title);
        for (const { name } of Object.values(inputs)) assert.ok(text.includes(name), `${type}: ${name}`);
      }
    });
  }

  test("no page is missing", () => assert.deepEqual(page.problems, []));
}
