// Every test, in both renderers, on one page.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { calibrate } from "./calibrate.js";
import { calibrateOpen } from "./calibrate_open.js";
import { closer, corrected, saved } from "./corrections.js";
import { firstContact } from "./first_contact.js";
import { firstSteps } from "./first_steps.js";
import { gate } from "./gate.js";
import { helpPages } from "./help.js";
import { images } from "./images.js";
import { given, open, set } from "./page.js";
import { saving } from "./saving.js";
import { subgraph } from "./subgraph.js";
import { tabs } from "./tabs.js";
import { theme } from "./theme.js";

const page = await open();
after(() => page.context().browser().close());

for (const [renderer, vue] of [
  ["canvas", false],
  ["Nodes 2.0", true],
]) {
  describe(renderer, () => {
    before(() => set(page, "Comfy.VueNodes.Enabled", vue));
    for (const part of [gate, subgraph, images, tabs, corrected, closer, saved, calibrate, calibrateOpen, saving, theme, firstSteps, firstContact]) part(page, vue);
    test("the console has no complaint of ours", () => assert.deepEqual(page.problems, []));
    test("nothing of ours reads what litegraph has deprecated", async () => {
      const read = () => app.graph.nodes.map(({ inputs, outputs }) => [inputs?.[0]?.link, outputs?.[0]?.links]);
      const { heard, ours } = await page.evaluate(`(${read})(); window.deprecated`);
      assert.deepEqual(ours, []);
      if (given.newer) assert.ok(heard > 0, "the listener hears nothing");
    });
  });
}

describe("help", () => helpPages(page));
