// What Threshold Gate shows, as plain numbers and words.

import { averageCost, shareOfKept } from "./cost.js";
import { between, ofScores, scoreAt } from "./curve.js";

export const THIS_RUN = "this run";
export const BY = ["override", "by hand"];
const FOLLOWING = " (following)";

/** Every image of a run that the gate judged: its score and verdict, in order. */
export const judged = (run) =>
  (run?.scores ?? []).flatMap((scores, batch) =>
    scores.map((score, i) => ({ score, rejected: run.rejected[batch].includes(i) })),
  );

/**
 * table, k: undefined where only a run can tell. by: what decides in their place, one of BY, if any. following: whether
 * the threshold moves on from the table. run: the payload of the last run, if any. student, teachers: see cost.js.
 * search: of a Best of N before the gate, how often it draws at most (limit), and its k.
 */
export function gateView({ by, following, outlines, run, student, teachers, search, ...chosen }) {
  const images = judged(run);
  const alike = run && !BY.includes(run.table);
  const table = by ?? chosen.table ?? (alike ? run.table.replace(FOLLOWING, "") : undefined);
  const k = by ? null : (chosen.k ?? (alike ? run.k : undefined));
  const curve = table === THIS_RUN ? ofScores(images.map(({ score }) => score)) : outlines[table];
  const inside = curve && k > 0 && k < 100;
  const same = run && run.table === (following ? table + FOLLOWING : table) && run.k === k;
  const tau = same ? run.threshold : inside ? scoreAt(curve, k) : null;
  const under = images.filter(({ score }) => score < tau).length;
  const measured = by ? images.filter(({ rejected }) => rejected).length : under;
  const single = following ? k : (curve?.share?.[Math.round(k)] ?? k);
  const asked = search && single != null && !following && table !== THIS_RUN ? shareOfKept(search, single) : single;
  const share = (by ? same : table === THIS_RUN && tau !== null) ? (100 * measured) / images.length : asked;
  return {
    table,
    k,
    tau,
    curve,
    images,
    share,
    interval:
      inside && curve.low && !following ? [curve.low, curve.high].map((ends) => between(curve.k, ends, k)) : null,
    under: tau === null ? null : under,
    cost: share == null ? null : averageCost(student, teachers, share),
    followed: same && following ? run.following.images : null,
    warnings: same ? run.warnings : [],
    note: same && by ? null : note({ table, k, by, curve, images, unknown: inside && tau === null }),
  };
}

function note({ table, k, by, curve, images, unknown }) {
  if (by) return by === "by hand" ? "Verdicts by hand" : "The threshold comes from a link";
  if (table === undefined) return "The table comes from a link: run once to see it";
  if (table === THIS_RUN && !images.length) return "Run once to see the scores";
  if (table === THIS_RUN && !curve) return "One score alone has no percentiles: choose a table";
  if (!curve) return `There is no table '${table}' here`;
  if (k === undefined) return "k comes from a link: run once to see the threshold";
  return unknown ? `This table knows ${curve.k[0]} to ${curve.k.at(-1)} % only` : null;
}
