import assert from "node:assert/strict";
import { test } from "node:test";
import { choose, frames, given, load, set } from "./page.js";

/** Contrast (WCAG 2.2) of a drawn part against the picture's ground. */
const contrasts = (page) =>
  page.evaluate(() => {
    const { element } = app.graph.getNodeById("gate").adaptive;
    const channels = (colour) =>
      colour
        .match(/[\d.]+/g)
        .slice(0, 3)
        .map((each) => each / 255);
    const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    const light = (colour) =>
      channels(colour).reduce((sum, each, i) => sum + [0.2126, 0.7152, 0.0722][i] * linear(each), 0);
    const ground = light(getComputedStyle(element).backgroundColor);
    const contrast = (selector, kind) => {
      const ink = light(getComputedStyle(element.querySelector(selector))[kind]);
      return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
    };
    return {
      text: contrast("b", "color"),
      soft: contrast(".soft", "color"),
      curve: contrast(".curve", "stroke"),
      kept: contrast(".bars.kept", "fill"),
      teacher: contrast(".bars.teacher", "fill"),
      ground: ground > 0.5 ? "light" : "dark",
    };
  });

export function theme(page) {
  for (const name of ["light", "dark"]) {
    test(`everything can be read in the ${name} theme`, async () => {
      await set(page, "Comfy.ColorPalette", name);
      await load(page, given.graph, ["gate"]);
      await choose(page, "gate", "table", "Demo");
      await frames(page);
      const seen = await contrasts(page);
      assert.equal(seen.ground, name);
      for (const [part, least] of Object.entries({ text: 7, soft: 3, curve: 7, kept: 2.5, teacher: 2.5 })) {
        assert.ok(seen[part] >= least, `${part}: ${seen[part]}`);
      }
    });
  }
}
