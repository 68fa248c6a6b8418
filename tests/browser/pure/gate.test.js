import assert from "node:assert/strict";
import { test } from "node:test";
import { gateView } from "../../../web/js/gate.js";

const outlines = {
  mine: { k: [0, 50, 100], scores: [0, 1, 3], count: 3, low: [null, 0.5, null], high: [null, 1.5, null] },
};
const run = {
  table: "mine",
  k: 33.3,
  threshold: 0.7,
  scores: [[0, 2], [0.5]],
  rejected: [[0], [0]],
  warnings: ["another student"],
};
const view = (more) => gateView({ by: null, outlines, run: undefined, student: null, teachers: [], ...more });

test("between whole k the run's own threshold counts, until k or table change", () => {
  assert.equal(view({ table: "mine", k: 33.3, run }).tau, 0.7);
  assert.equal(view({ table: "mine", k: 25, run }).tau, 0.5);
  assert.deepEqual(view({ table: "mine", k: 33.3, run }).warnings, ["another student"]);
  assert.deepEqual(view({ table: "mine", k: 25, run }).warnings, []);
});

test("what a link decides is unknown before a run and the run's after it", () => {
  assert.match(view({ table: undefined, k: 25 }).note, /table comes from a link/);
  assert.match(view({ table: "mine", k: undefined }).note, /k comes from a link/);
  assert.equal(view({ table: undefined, k: 25, run }).tau, 0.5);
  const known = view({ table: "mine", k: undefined, run });
  assert.deepEqual([known.k, known.tau, known.note], [33.3, 0.7, null]);
});

test("a run by hand says nothing of a table, and the other way round", () => {
  const hand = { table: "by hand", k: null, threshold: null, scores: [[1, 2]], rejected: [[1]], warnings: [] };
  const byHand = view({ by: "by hand", table: "mine", k: 25, run: hand });
  assert.deepEqual([byHand.tau, byHand.share, byHand.note], [null, 50, null]);
  assert.deepEqual([view({ by: "by hand", table: "mine", k: 25, run }).share], [null]);
  assert.match(view({ table: undefined, k: 25, run: hand }).note, /table comes from a link/);
});

test("of a run's own scores the share is counted, of a calibrated table it is k", () => {
  const mine = { table: "this run", k: 10, threshold: 1.1, scores: [[1, 2, 3, 4]], rejected: [[0]], warnings: [] };
  assert.equal(view({ table: "this run", k: 10, run: mine }).share, 25);
  assert.equal(view({ table: "this run", k: 60, run: mine }).share, 50);
  assert.equal(view({ table: "mine", k: 10, run: mine }).share, 10);
  assert.equal(view({ table: "this run", k: 10 }).share, 10);
});

test("behind Best of N fewer of the kept images lie under a threshold of a table of single drawings", () => {
  const share = (k, limit, more) => view({ table: "mine", k, search: { limit, k: 20 }, ...more }).share;
  const close = (found, expected) => assert.ok(Math.abs(found - expected) < 1e-9, found);
  close(share(20, 3), 0.8);
  close(share(5, 3), 0.0125);
  close(share(60, 3), 0.8 + 40 * 1.24);
  close(share(20, 1), 20);
  close(share(20, 3, { following: true }), 20);
  close(share(20, 3, { table: "this run" }), 20);
  const cost = view({
    table: "mine",
    k: 20,
    search: { limit: 3, k: 20 },
    student: { steps: 2, evaluations: 2 },
    teachers: [{ steps: 10, evaluations: 20 }],
  }).cost;
  close(cost.steps, 2.08);
  close(cost.evaluations, 2.16);
});

test("behind Until Enough no share is told that only a run knows", () => {
  const models = { student: { steps: NaN, evaluations: NaN }, teachers: [{ steps: 10, evaluations: 20 }], sends: true };
  const shown = (more) => view({ table: "mine", k: 20, until: true, ...models, ...more });
  assert.deepEqual([shown().share, shown().cost, shown().unknownCost], [null, null, "only a run tells the steps"]);
  assert.equal(shown({ k: 0 }).share, 0);
  assert.equal(shown({ k: 100 }).share, 100);
  assert.equal(shown({ following: true }).share, 20);
  assert.equal(shown({ table: "this run" }).share, 20);
});

test("of a table with equal scores the share is what its k rejects, unless the threshold follows", () => {
  const share = Array.from({ length: 101 }, (_, k) => (k < 80 ? 20 : 80));
  const tied = { ...outlines, mine: { ...outlines.mine, share } };
  assert.equal(view({ outlines: tied, table: "mine", k: 50 }).share, 20);
  assert.equal(view({ outlines: tied, table: "mine", k: 80 }).share, 80);
  assert.equal(view({ outlines: tied, table: "mine", k: 50, following: true }).share, 50);
});

test("a threshold that follows is the run's, started from the table", () => {
  const followed = { ...run, table: "mine (following)", k: 50, threshold: 1.25, following: { images: 40 } };
  const seen = view({ table: "mine", k: 50, following: true, run: followed });
  assert.deepEqual([seen.tau, seen.interval, seen.followed, seen.curve], [1.25, null, 40, outlines.mine]);
  assert.equal(view({ table: "mine", k: 50, following: false, run: followed }).tau, 1);
  assert.equal(view({ table: undefined, k: 50, following: true, run: followed }).tau, 1.25);
});

test("a score at the threshold is kept", () => {
  assert.equal(view({ table: "mine", k: 25, run: { ...run, scores: [[0.4, 0.5, 0.6]], rejected: [[]] } }).under, 1);
});

test("nothing is claimed of a missing table or of one score alone", () => {
  assert.equal(view({ table: "lost", k: 10 }).note, "There is no table 'lost' here");
  const alone = { table: "this run", k: 0, threshold: null, scores: [[1]], rejected: [[]], warnings: [] };
  assert.match(view({ table: "this run", k: 10, run: alone }).note, /One score alone/);
});

test("the interval is the table's at k", () => {
  assert.deepEqual(view({ table: "mine", k: 50 }).interval, [0.5, 1.5]);
  assert.deepEqual(view({ table: "mine", k: 20 }).interval, [null, null]);
  assert.equal(view({ table: "mine", k: 0 }).interval, null);
});

// Of a learned gate the scores are risks: the worst k percent lie above the entry 100 - k.
const learned = {
  gate: {
    ...{ k: [0, 50, 75, 100], scores: [0, 0.2, 0.6, 1], count: 300, risk: true },
    ...{ low: [null, 0.1, 0.5, null], high: [null, 0.3, 0.7, null] },
  },
};
const byRisk = {
  ...{ table: "gate", k: 25, threshold: 0.6, scores: [[1, 2], [3]], rejected: [[0], []], warnings: [] },
  risks: [[0.9, 0.6], [0.1]],
};

test("a learned gate sends what lies over its threshold, at the risk that k percent exceed", () => {
  const seen = view({ outlines: learned, table: "gate", k: 50, run: byRisk });
  assert.deepEqual([seen.byRisk, seen.tau, seen.under, seen.interval], [true, 0.2, 2, [0.1, 0.3]]);
  assert.deepEqual(seen.images.map(({ value }) => value), [0.9, 0.6, 0.1]);
  assert.equal(view({ outlines: learned, table: "gate", k: 25, run: byRisk }).under, 1);
});

test("scores and risks are never drawn on one axis", () => {
  const both = { ...outlines, ...learned };
  assert.deepEqual(view({ outlines: both, table: "gate", k: 50, run }).images, []);
  assert.deepEqual(view({ outlines: both, table: "mine", k: 50, run: byRisk }).images.map(({ value }) => value), [1, 2, 3]);
  const hand = { ...byRisk, table: "override", k: null, threshold: 0.5 };
  const seen = view({ by: "override", outlines: both, table: "gate", k: 50, run: hand });
  assert.deepEqual([seen.byRisk, seen.tau, seen.under, seen.share], [true, 0.5, 2, (100 * 1) / 3]);
});

test("what is safe to keep stands in the place of k, and is the run's", () => {
  const safe = { outlines: learned, table: "gate", k: 50, safe: 5 };
  assert.equal(view({ ...safe, run: byRisk }).note, "What is safe to keep is known after a run");
  assert.deepEqual([view({ ...safe, run: byRisk }).tau, view({ ...safe, run: byRisk }).share], [null, null]);
  const kept = { ...byRisk, k: null, threshold: 0.3, promise: { asked: 5, sent: 40, sentence: "95 % sure" } };
  const seen = view({ ...safe, run: kept });
  assert.deepEqual([seen.tau, seen.share, seen.note, seen.promised], [0.3, 40, null, "95 % sure"]);
  assert.equal(view({ ...safe, safe: 2, run: kept }).tau, null);
  assert.equal(view({ ...safe, safe: 0, run: kept }).tau, 0.2);
});
