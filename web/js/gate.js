// What Threshold Gate shows, as plain numbers and words.

import { averageCost, shareOfKept, unknownCost } from "./cost.js";
import { between, ofScores, scoreAt } from "./curve.js";

export const THIS_RUN = "this run";
export const BY = ["override", "by hand"];
const FOLLOWING = " (following)";

/** Every image of a run that the gate judged: its score, its risk if a learned gate saw one, its verdict, in order. */
export const judged = (run) =>
  (run?.scores ?? []).flatMap((scores, batch) =>
    scores.map((score, i) => ({ score, risk: run.risks?.[batch]?.[i], rejected: run.rejected[batch].includes(i) })),
  );

const sawRisks = (run) => Boolean(run?.risks?.flat().length);

/** The images with the `value` that they are judged by; none where a risk is wanted that the run did not see. */
const valued = (run, byRisk) =>
  byRisk && !sawRisks(run) ? [] : judged(run).map((image) => ({ ...image, value: byRisk ? image.risk : image.score }));

/**
 * table, k: undefined where only a run can tell. by: what decides in their place, one of BY, if any. following: whether
 * the threshold moves on from the table. safe: the percentage of kept images that may be worse, in the place of k; 0 for
 * none. run: the payload of the last run, if any. student, teachers, sends: see cost.js.
 * search: of a Best of N before the gate, how often it draws at most (limit), and its k. until: whether there is an Until
 * Enough, of which only a run tells how many images a table's threshold rejects.
 */
export function gateView({ by, following, safe = 0, outlines, run, student, teachers, sends, search, until, ...chosen }) {
  const alike = run && !BY.includes(run.table);
  const table = by ?? chosen.table ?? (alike ? run.table.replace(FOLLOWING, "") : undefined);
  const k = by || safe ? null : (chosen.k ?? (alike ? run.k : undefined));
  const curve = table === THIS_RUN ? ofScores(judged(run).map(({ score }) => score)) : outlines[table];
  const byRisk = Boolean(curve ? curve.risk : sawRisks(run));
  const images = valued(run, byRisk);
  const inside = curve && k > 0 && k < 100;
  const at = byRisk ? 100 - k : k;
  const promised = (run?.promise?.asked ?? 0) === safe;
  const same = run && run.table === (following ? table + FOLLOWING : table) && run.k === k && promised;
  const tau = same ? run.threshold : inside ? scoreAt(curve, at) : null;
  const under = images.filter(({ value }) => (byRisk ? value > tau : value < tau)).length;
  const measured = by ? images.filter(({ rejected }) => rejected).length : under;
  const single = following ? k : (curve?.share?.[Math.round(k)] ?? k);
  const ofTable = inside && !following && table !== THIS_RUN && !byRisk;
  const searched = search && single != null && !following && table !== THIS_RUN && !byRisk;
  const kept = until && ofTable ? null : searched ? shareOfKept(search, single) : single;
  const asked = safe ? (same ? run.promise.sent : null) : kept;
  const share = (by ? same : table === THIS_RUN && tau !== null) ? (100 * measured) / images.length : asked;
  return {
    table,
    k,
    tau,
    curve,
    byRisk,
    images,
    share,
    interval:
      inside && curve.low && !following ? [curve.low, curve.high].map((ends) => between(curve.k, ends, at)) : null,
    under: tau === null ? null : under,
    corrected: run?.corrected?.flat().length ?? 0,
    cost: share == null ? null : averageCost(student, teachers, share),
    unknownCost: share == null && !until ? "" : unknownCost(student, teachers, sends),
    followed: same && following ? run.following.images : null,
    promised: same && safe ? run.promise.sentence : null,
    warnings: same ? run.warnings : [],
    note: same && (by || safe) ? null : note({ table, k, by, safe, curve, images, unknown: inside && tau === null }),
  };
}

function note({ table, k, by, safe, curve, images, unknown }) {
  if (by) return by === "by hand" ? "Verdicts by hand" : "The threshold comes from a link";
  if (table === undefined) return "The table comes from a link: run once to see it";
  if (table === THIS_RUN && !images.length) return "Run once to see the scores";
  if (table === THIS_RUN && !curve) return "One score alone has no percentiles: choose a table";
  if (!curve) return `There is no table '${table}' here`;
  if (safe) return "What is safe to keep is known after a run";
  if (k === undefined) return "k comes from a link: run once to see the threshold";
  return unknown ? `This table knows ${curve.k[0]} to ${curve.k.at(-1)} % only` : null;
}
