import assert from "node:assert/strict";
import { test } from "node:test";
import { readCorrections, toggled, verdictsOf } from "../../../web/js/corrections.js";
import { closerImages, imagesPage, marked } from "../../../web/js/images.js";

const [ONE, OTHER, THIRD] = ["0123456789abcdef", "fedcba9876543210", "0000000000000000"];
const run = (corrected = []) => ({ scores: [[1, 2], [3]], rejected: [[0], []], corrected: [corrected, []], digests: [[ONE, OTHER], [THIRD]] });
const brief = (verdicts) => verdicts.map(({ rejected, corrected }) => `${rejected ? "teacher" : "keep"}${corrected ? "!" : ""}`);

test("a click turns a verdict round, the next one takes that back, and no other image's entry changes", () => {
  const first = toggled("", ONE, true);
  assert.equal(first, `keep ${ONE}`);
  const both = toggled(first, OTHER, false);
  assert.deepEqual([...readCorrections(both)], [[ONE, false], [OTHER, true]]);
  assert.equal(toggled(both, ONE, true), `teacher ${OTHER}`);
  assert.equal(toggled(`teacher ${OTHER}`, OTHER, false), "");
});

test("the verdict that counts is the person's, before a run and after it, and the gate's own again without it", () => {
  assert.deepEqual(brief(verdictsOf(run(), "")), ["teacher", "keep", "keep"]);
  const text = `keep ${ONE}, teacher ${THIRD}`;
  assert.deepEqual(brief(verdictsOf(run(), text)), ["keep!", "keep", "teacher!"]);
  const after = { ...run([0]), rejected: [[], [0]], corrected: [[0], [0]] };
  assert.deepEqual(brief(verdictsOf(after, text)), ["keep!", "keep", "teacher!"]);
  assert.deepEqual(brief(verdictsOf(after, "")), ["teacher", "keep", "keep"]);
});

test("scores without images have verdicts that no click changes", () => {
  const bare = { scores: [[1, 2]], rejected: [[0]] };
  const verdicts = verdictsOf(bare, `keep ${ONE}`);
  assert.deepEqual(brief(verdicts), ["teacher", "keep"]);
  const { marks } = marked({ verdicts: [true, false] }, verdicts);
  assert.deepEqual(marks.map(({ title }) => title), [undefined, undefined]);
});

test("a thumbnail has its number, and shows what is corrected and what no run has followed yet", () => {
  const shown = { names: ["a", "b", "c"], scores: [1, 2, 3], verdicts: [true, false, false], prompts: [] };
  const page = imagesPage(marked(shown, verdictsOf(run(), `keep ${ONE}`)), (name) => name);
  const classes = [...page.matchAll(/<figure class="([^"]*)"/g)].map(([, name]) => name);
  assert.deepEqual(classes, ["kept corrected pending", "kept", "kept"]);
  assert.deepEqual([...page.matchAll(/class="number">(\d+)</g)].map(([, number]) => number), ["0", "1", "2"]);
  for (const words of ["Corrected; a click takes it back", "A click sends it to the teacher"]) assert.ok(page.includes(words));
});

test("closer, an image that was kept stands alone, and one that the teacher drew beside the student's", () => {
  const entries = [
    { score: 1, final_score: 1, taken: false },
    { score: 2, final_score: 3, taken: true },
    { score: 2, final_score: null, taken: null },
  ];
  const seen = closerImages({ adaptive_report: entries, adaptive_large: ["a", "b", "c"], adaptive_large_before: [null, "x", "y"] });
  assert.deepEqual(seen.map((each) => each.map(({ name }) => name)), [["a"], ["x", "b"], ["y", "c"]]);
  assert.deepEqual(seen[1].map(({ caption }) => caption), ["student 2.00", "result 3.00"]);
});
