import assert from "node:assert/strict";
import { test } from "node:test";
import { imagesPage, reportedImages } from "../../../web/js/images.js";
import { gatePage } from "../../../web/js/pages.js";
import { barsPath, plot, span, ticksPath } from "../../../web/js/plot.js";
import { savingsTable } from "../../../web/js/savings.js";
import { duration } from "../../../web/js/text.js";

const asIs = (score) => score;

test("text that a person wrote is shown, never run", () => {
  const hostile = `"><img src=x onerror="alert(1)">&`;
  const page = imagesPage(
    { names: [hostile], scores: [1], verdicts: [true], prompts: [hostile], reasons: [[hostile]], warnings: [hostile] },
    asIs,
  );
  assert.equal(page.match(/<img/g).length, 1);
  assert.ok(!page.includes(`onerror="`));
});

test("images beyond the first are counted; a score that rose, fell or is not known is told", () => {
  const all = {
    names: ["a", "b", "c"],
    scores: [1, 2, 3, 4, 5],
    finals: [2, 1, null, 4, 5],
    verdicts: [true, true, true],
    prompts: [],
  };
  const page = imagesPage(all, asIs);
  for (const part of ["and 2 more", "↑ 2.00", "↓ 1.00", "3.00 → ?"]) assert.ok(page.includes(part), part);
});

test("an image of which the teacher made nothing is marked and told", () => {
  const entry = (verdict) => ({ verdict, score: 1, final_score: 1, prompt: "a tree" });
  const entries = ["accepted", "rejected", "teacher failed"].map(entry);
  const shown = reportedImages({ adaptive_report: entries, adaptive_thumbnails: ["a", "b", "c"], adaptive_before: [] });
  assert.deepEqual(shown.verdicts, [false, true, true]);
  const figures = imagesPage(shown, asIs).match(/<figure[^>]*>/g);
  assert.deepEqual(figures, [
    `<figure class="kept" data-image="0" title="1.000 a tree">`,
    `<figure class="teacher" data-image="1" title="1.000 a tree">`,
    `<figure class="teacher failed" data-image="2" title="1.000 teacher failed a tree">`,
  ]);
});

test("the checks that an image failed stand on it, and in the words shown over it", () => {
  const shown = { names: ["a", "b"], scores: [1, 2], verdicts: [], prompts: ["a cat", "a dog"] };
  const page = imagesPage({ ...shown, reasons: [["hands", "<text>"], []] }, asIs);
  assert.equal(page.match(/class="reasons"/g).length, 1);
  assert.ok(page.includes(">hands, &#60;text&#62;</div>"));
  assert.ok(page.includes('title="1.000 a cat hands, &#60;text&#62;"'));
  assert.ok(!imagesPage(shown, asIs).includes("reasons"));
});

test("times are told in the unit that a person would take", () => {
  assert.deepEqual([45, 100, 5000, 7000].map(duration), ["45 s", "2 min", "83 min", "2 h"]);
});

test("a bar that the threshold cuts is drawn up to it", () => {
  const bar = [{ from: 0, to: 10, share: 5 }];
  const edges = (from, to) =>
    [...barsPath(bar, asIs, from, to).matchAll(/[MH]([\d.]+)/g)].map((each) => Number(each[1]));
  const [start, end] = edges(0, 10);
  assert.deepEqual(edges(0, 4), [start, 4]);
  assert.deepEqual(edges(4, 10), [4, end]);
  assert.deepEqual(edges(10, 20), []);
});

test("the picture spans table, scores and threshold, and is empty without any", () => {
  assert.equal(span({}), null);
  assert.equal(plot({}), "");
  const [low, high] = span({ curve: { scores: [1, 2] }, images: [{ value: 5 }], tau: -3 });
  assert.ok(low < -3 && low > -4 && high > 5 && high < 6);
  assert.equal(ticksPath([1, 2], asIs).match(/M/g).length, 2);
});

test("of a learned gate the teacher's side is that of the higher risks, and the words say risk", () => {
  const curve = { k: [0, 50, 100], scores: [0, 0.5, 1], count: 40, risk: true };
  const images = [{ value: 0.9, rejected: true }];
  const view = { curve, images, byRisk: true, tau: 0.5, k: 50, interval: null, followed: null, warnings: [], share: 50 };
  const page = gatePage({ ...view, note: null, under: 1, cost: null, table: "gate" });
  const first = (kind) => Number(page.match(new RegExp(`class="bars ${kind}" d="M([\\d.]+)`))[1]);
  assert.ok(first("kept") < 50 && first("teacher") >= 50);
  for (const words of ["risk τ 0.500", "40 pairs", ">risk<", "images of a higher risk"]) assert.ok(page.includes(words), words);
  const ends = (k) => plot({ curve, byRisk: true, tau: null, k });
  assert.ok(!ends(0).includes("bars teacher") && ends(0).includes("bars kept"));
  assert.ok(ends(100).includes("bars teacher") && !ends(100).includes("bars kept"));
});

test("a thumbnail tells the risk where a learned gate saw one", () => {
  const shown = { names: ["a", "b"], scores: [1, 2], risks: [0.375, undefined], verdicts: [true, false], prompts: [] };
  const page = imagesPage(shown, asIs);
  assert.ok(page.includes('title="1.000 risk 38 %"') && page.includes('<span class="risk">38 %</span>'));
  assert.ok(page.includes('title="2.000"'));
});

test("what was saved stands in a table; what is not known is a question mark, and nothing stands where nothing ran", () => {
  const [one, other] = [{ seconds: 3.14, evaluations: 40 }, { seconds: 0.5, evaluations: 8 }];
  const run = { images: 8, ...one, student: other, teacher: null };
  const page = savingsTable({ run, since: { images: 16, seconds: 100, evaluations: null, student: other, teacher: one } });
  for (const words of ["<th>this run</th>", "<td>8</td><td>16</td>", "3.1 s, 40<", "2 min<", "<td>?</td>"])
    assert.ok(page.includes(words), words);
  assert.equal(savingsTable({ run: null, since: { images: 0 } }), "");
  assert.equal(savingsTable(), "");
  assert.ok(!savingsTable({ run: null, since: run }).includes("this run"));
});
