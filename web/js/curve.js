// A distribution as a curve: percentages `k`, ascending, and the `scores` there; linear between, as numpy.percentile.

/** The y that belongs to x on the line through the points (xs, ys); null outside of it and beside a null. */
export function between(xs, ys, x) {
  const right = xs.findIndex((each) => each >= x);
  if (right < 0 || x < xs[0]) return null;
  if (xs[right] === x) return ys[right];
  const [low, high] = [ys[right - 1], ys[right]];
  if (low === null || high === null) return null;
  return low + ((high - low) * (x - xs[right - 1])) / (xs[right] - xs[right - 1]);
}

/** The curve of a few raw scores; null for less than two. */
export function ofScores(scores) {
  if (scores.length < 2) return null;
  const sorted = [...scores].sort((one, other) => one - other);
  return { k: sorted.map((_, i) => (100 * i) / (sorted.length - 1)), scores: sorted, count: sorted.length };
}

export const scoreAt = (curve, k) => between(curve.k, curve.scores, k);

/** The percentage of scores below `score`, as far as the curve tells. */
export function shareBelow(curve, score) {
  const { k, scores } = curve;
  if (score <= scores[0]) return k[0];
  return between(scores, k, score) ?? k.at(-1);
}

/** How many percent of the scores lie between each two of `count` + 1 edges from `low` to `high`. */
export function bars(curve, low, high, count) {
  const edges = Array.from({ length: count + 1 }, (_, i) => low + ((high - low) * i) / count);
  const below = edges.map((edge) => shareBelow(curve, edge));
  return edges.slice(1).map((end, i) => ({ from: edges[i], to: end, share: below[i + 1] - below[i] }));
}
