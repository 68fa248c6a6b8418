// Every test, in both renderers, on one page.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { calibrate } from "./calibrate.js";
import { firstSteps } from "./first_steps.js";
import { gate } from "./gate.js";
import { helpPages } from "./help.js";
import { images } from "./images.js";
import { open, set } from "./page.js";
import { saving } from "./saving.js";
import { subgraph } from "./subgraph.js";
import { theme } from "./theme.js";

const page = await open();
after(() => page.context().browser().close());

for (const [renderer, vue] of [
  ["canvas", false],
  ["Nodes 2.0", true],
]) {
  describe(renderer, () => {
    before(() => set(page, "Comfy.VueNodes.Enabled", vue));
    for (const part of [gate, subgraph, images, calibrate, saving, theme, firstSteps]) part(page, vue);
    test("the console has no complaint of ours", () => assert.deepEqual(page.problems, []));
  });
}

describe("help", () => helpPages(page));
