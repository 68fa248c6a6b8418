import assert from "node:assert/strict";
import { test } from "node:test";
import { frames, given, load } from "./page.js";

/** Every node of the pack, each widget with another value than its own. */
const addAll = (page) =>
  page.evaluate(() => {
    const last = (_, { values }) => values.at(-1) ?? "";
    const other = { number: (value) => value + 1, toggle: (value) => !value, combo: last };
    const types = Object.keys(LiteGraph.registered_node_types).filter((type) => type.startsWith("Adaptive"));
    for (const type of types) {
      const node = LiteGraph.createNode(type);
      app.graph.add(node);
      for (const widget of node.widgets ?? []) {
        if (widget.name === "adaptive_picture") continue;
        widget.value = (other[widget.type] ?? ((value) => `${value} x`))(widget.value, widget.options);
      }
    }
    return types.length;
  });

/** What the widgets of every node hold, the pictures left out. */
const values = (page) =>
  page.evaluate(() => {
    const own = (node) => (node.widgets ?? []).filter(({ name }) => name !== "adaptive_picture");
    return app.graph.nodes.map((node) => [node.type, ...own(node).map(({ name, value }) => [name, value])]);
  });

export function saving(page) {
  test("nothing of a picture is saved, and every value of every node comes back from the file", async () => {
    await load(page, {}, []);
    assert.ok((await addAll(page)) >= 18);
    const before = await values(page);
    const file = await page.evaluate(() => JSON.stringify(app.graph.serialize()));
    for (const { type, widgets_values: saved = [] } of JSON.parse(file).nodes) {
      const [, ...expected] = before.find(([each]) => each === type);
      assert.deepEqual(
        saved,
        expected.map(([, value]) => value),
        type,
      );
    }
    await page.evaluate((file) => app.loadGraphData(JSON.parse(file), true, true, "reloaded"), file);
    await frames(page);
    assert.deepEqual(await values(page), before);
  });

  test("nothing of a picture is queued", async () => {
    await load(page, { ...given.graph, ...given.calibration }, ["gate"]);
    const { output } = await page.evaluate(() => app.graphToPrompt());
    const definitions = await page.evaluate(async () => (await fetch("/api/object_info")).json());
    for (const { class_type, inputs } of Object.values(output)) {
      const { required = {}, optional = {} } = definitions[class_type].input;
      for (const name of Object.keys(inputs)) assert.ok(name in required || name in optional, `${class_type} ${name}`);
    }
  });
}
