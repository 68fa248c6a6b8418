// What an image costs: see adaptive_diffusion/gate/cost.py, whose facts on samplers the gate's schema brings.

const sum = (numbers) => numbers.reduce((total, each) => total + each, 0);

/** Candidates that an image takes on average: see adaptive_diffusion/gate/best_of_n.py. */
export const expectedCandidates = (limit, k) => sum(Array.from({ length: limit }, (_, number) => (k / 100) ** number));

/** The share in percent of the kept images under k of a table of single drawings: see best_of_n.py, too. */
export function shareOfKept({ limit, k: again }, k) {
  if (k <= again) return 100 * (k / 100) ** limit;
  return 100 * (again / 100) ** limit + (k - again) * expectedCandidates(limit, again);
}

/** Steps and model evaluations of an image that a node of these `settings` draws (see graph.js); unknown ones are NaN. */
export function costOf({ steps, cfg, sampler, negative, candidates }, samplers) {
  const [each, fewer, always] = samplers[sampler] ?? [NaN];
  const guided = negative && (always || Math.abs(cfg - 1) > 1e-9);
  const evaluations = Math.max(each * steps - fewer, steps) * (guided ? 2 : 1);
  return { steps: candidates * steps, evaluations: cfg === undefined ? NaN : candidates * evaluations };
}

/** The average when `share` percent go to all `teachers`, each a cost; null where steps are not known. */
export function averageCost(student, teachers, share) {
  if (!student || !teachers.length || [student, ...teachers].some(({ steps }) => !steps)) return null;
  const mean = (part) => student[part] + (sum(teachers.map((each) => each[part])) * share) / 100;
  return { steps: mean("steps"), evaluations: mean("evaluations") };
}

/** Why `averageCost` is not known of a gate that `sends` its decision on; "" where it is. */
export function unknownCost(student, teachers, sends) {
  if (!sends || averageCost(student, teachers, 0)) return "";
  if (!student) return "no steps were found before the gate";
  return teachers.length ? "only a run tells the steps" : "no teacher takes the decision";
}
