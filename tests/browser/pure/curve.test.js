import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { bars, between, ofScores, scoreAt, shareBelow } from "../../../web/js/curve.js";

const demo = JSON.parse(readFileSync(new URL("../../../percentiles/Demo.json", import.meta.url)));

test("a curve of raw scores passes through the percentiles that numpy finds", () => {
  const curve = ofScores(demo.scores.toReversed());
  for (const [k, score] of Object.entries(demo.percentiles))
    assert.ok(Math.abs(scoreAt(curve, Number(k)) - score) < 1e-12);
});

test("fewer than two scores have no curve", () => assert.deepEqual([ofScores([]), ofScores([1])], [null, null]));

test("there is nothing beyond a line's ends or beside a gap in it", () => {
  const line = (x) => between([10, 20, 30], [1, 2, null], x);
  assert.deepEqual([line(9), line(10), line(15), line(20), line(25), line(31)], [null, 1, 1.5, 2, null, null]);
});

test("the share below a score is as many as were counted, between 0 and 100", () => {
  const curve = ofScores(demo.scores);
  for (const score of [-2.5, 0, 0.2, 0.5]) {
    const counted = (100 * demo.scores.filter((each) => each < score).length) / demo.scores.length;
    assert.ok(Math.abs(shareBelow(curve, score) - counted) < 0.2, `${score}`);
  }
  assert.deepEqual([shareBelow(curve, -9), shareBelow(curve, 9)], [0, 100]);
});

test("the bars together hold every score once", () => {
  const all = bars(ofScores([1, 1, 2, 5, 5, 5]), 0, 6, 7);
  assert.equal(all.length, 7);
  assert.deepEqual([all[0].from, all[6].to], [0, 6]);
  assert.ok(Math.abs(all.reduce((sum, { share }) => sum + share, 0) - 100) < 1e-9);
  assert.ok(all.every(({ share }) => share >= 0));
});
