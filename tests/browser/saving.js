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

  test("a graph that was saved before inputs were added and moved is queued as it was", async () => {
    await load(page, { ...given.graph, level: { class_type: "PrimitiveFloat", inputs: { value: 0.25 } } }, ["gate"]);
    const saved = await page.evaluate(() => {
      const [level, gate] = ["level", "gate"].map((id) => app.graph.getNodeById(id));
      level.connect(0, gate, gate.inputs.findIndex(({ name }) => name === "threshold_override"));
      return JSON.parse(JSON.stringify(app.graph.serialize()));
    });
    const gate = saved.nodes.find(({ type }) => type === "AdaptiveThresholdGate");
    gate.inputs = gate.inputs.filter(({ name }) => name !== "corrections");
    gate.widgets_values = ["Demo", 35, "1, 3", true, 5];
    delete gate.widgets_values_named;
    const output = await page.evaluate(async (saved) => {
      await app.loadGraphData(saved, true, true, "older");
      return (await app.graphToPrompt()).output.gate.inputs;
    }, saved);
    const { scores, student, threshold_override: override, ...values } = output;
    assert.deepEqual([scores, student, override], [["scores", 0], ["student", 1], ["level", 0]]);
    const expected = { table: "Demo", k: 35, reject_indices: "1, 3", follow: true, keep_safe: 5, corrections: "" };
    assert.deepEqual(values, expected);
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
