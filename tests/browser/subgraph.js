import assert from "node:assert/strict";
import { test } from "node:test";
import { arrange, choose, frames, given, load, picture, run } from "./page.js";

/** Put the gate into a subgraph and go there; the id of its host. */
async function enclose(page) {
  await load(page, given.graph, ["gate"]);
  const host = await page.evaluate(() => {
    const { node } = app.graph.convertToSubgraph(new Set([app.graph.getNodeById("gate")]));
    return node.id;
  });
  await enter(page, host);
  return host;
}

async function enter(page, host) {
  await page.evaluate((host) => {
    const node = app.rootGraph.getNodeById(host);
    app.canvas.openSubgraph(node.subgraph, node);
  }, host);
  await frames(page);
  await arrange(page, ["gate"]);
}

const cost = (seen) => Number(seen.text.match(/([\d.]+) steps per image/)?.[1]);

export function subgraph(page) {
  test("inside a subgraph the picture has its run, and finds student and teacher outside", async () => {
    const host = await enclose(page);
    const [
      {
        rejected: [rejected],
      },
    ] = (await run(page))[`${host}:gate`].adaptive_gate;
    const seen = await picture(page, "gate");
    assert.ok(seen.visible && seen.inside, JSON.stringify(seen));
    assert.deepEqual([seen.kept.length, seen.teacher.length], [5 - rejected.length, rejected.length]);
    assert.equal(cost(seen), Math.round(10 * (2 + (6 * rejected.length) / 5)) / 10);
  });

  test("a k promoted to the subgraph's node is the picture's k", async () => {
    const host = await enclose(page);
    await page.evaluate(
      ([host]) => {
        const node = app.rootGraph.getNodeById(host);
        const gate = node.subgraph.getNodeById("gate");
        node.subgraph.addInput("k", "FLOAT").connect(
          gate.inputs.find(({ name }) => name === "k"),
          gate,
        );
        const outer = node.widgets.find(({ name }) => name === "k");
        outer.value = 80;
        outer.callback(80);
        app.extensionManager.workflow.activeWorkflow.changeTracker.captureCanvasState();
      },
      [host],
    );
    await frames(page);
    const [{ k, threshold }] = (await run(page))[`${host}:gate`].adaptive_gate;
    const seen = await picture(page, "gate");
    assert.equal(k, 80);
    assert.equal(seen.tau, `τ ${threshold.toFixed(3).replace("-", "−")}`);
    assert.ok(seen.text.includes("80 % to the teacher"), seen.text);
  });

  test("steps are found through reroutes and primitives", async () => {
    await load(page, given.graph, ["gate"]);
    await page.evaluate(() => {
      const [gate, teacher] = ["gate", "teacher"].map((id) => app.graph.getNodeById(id));
      const [reroute, steps] = ["Reroute", "PrimitiveInt"].map((type) => LiteGraph.createNode(type));
      for (const node of [reroute, steps]) app.graph.add(node);
      gate.connect(0, reroute, 0);
      reroute.connect(
        0,
        teacher,
        teacher.inputs.findIndex(({ name }) => name === "decision"),
      );
      steps.widgets[0].value = 10;
      steps.connect(
        0,
        teacher,
        teacher.inputs.findIndex(({ name }) => name === "steps"),
      );
      gate.widgets[1].callback(gate.widgets[1].value);
    });
    await frames(page);
    assert.equal(cost(await picture(page, "gate")), 2 + 10 * 0.3);
  });

  test("steps are found through other packs' setters and getters, and the graph is queued so", async () => {
    await load(page, given.graph, ["gate"]);
    await page.evaluate(() => {
      const root = app.graph;
      class Virtual extends LiteGraph.LGraphNode {
        isVirtualNode = true;
      }
      class Setter extends Virtual {
        constructor() {
          super("Set");
          this.addInput("value", "*");
        }
      }
      class Getter extends Virtual {
        constructor() {
          super("Get");
          this.addOutput("value", "*");
        }
        getInputLink() {
          return root.nodes.find(({ type }) => type === "TestSet")?.getInputLink(0) ?? null;
        }
      }
      LiteGraph.registerNodeType("TestSet", Setter);
      LiteGraph.registerNodeType("TestGet", Getter);
      const [set, get] = ["TestSet", "TestGet"].map((type) => LiteGraph.createNode(type));
      for (const node of [set, get]) root.add(node);
      const [gate, teacher] = ["gate", "teacher"].map((id) => root.getNodeById(id));
      gate.connect(0, set, 0);
      get.connect(0, teacher, teacher.inputs.findIndex(({ name }) => name === "decision"));
      gate.widgets[1].callback(gate.widgets[1].value);
    });
    await frames(page);
    assert.equal(cost(await picture(page, "gate")), 2 + 6 * 0.3);
    const { output } = await page.evaluate(() => app.graphToPrompt());
    assert.deepEqual(output.teacher.inputs.decision, ["gate", 0]);
  });

  test("why the cost is not known is told", async () => {
    await load(page, given.graph, ["gate"]);
    const cases = { steps: "only a run tells the steps", decision: "no teacher takes the decision" };
    for (const [name, reason] of Object.entries(cases)) {
      await page.evaluate((name) => {
        const teacher = app.graph.getNodeById("teacher");
        const slot = teacher.inputs.findIndex((input) => input.name === name);
        if (name === "decision") return teacher.disconnectInput(slot);
        const prompts = LiteGraph.createNode("AdaptiveLoadPrompts");
        app.graph.add(prompts);
        prompts.connect(1, teacher, slot);
      }, name);
      await choose(page, "gate", "table", "Demo");
      assert.match((await picture(page, "gate")).text, new RegExp(`cost unknown: ${reason}`));
    }
  });
}
