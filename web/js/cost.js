// What an image costs on average: see adaptive_diffusion/gate/cost.py.

const evaluations = ({ steps, cfg }) => (cfg === undefined ? undefined : steps * (cfg === 1 ? 1 : 2));
const sum = (numbers) => numbers.reduce((total, each) => total + each, 0);

/** Steps and model evaluations per image when `share` percent go to all `teachers`; null where steps are not known. */
export function averageCost(student, teachers, share) {
  if (!student || !teachers.length || [student, ...teachers].some(({ steps }) => !steps)) return null;
  const mean = (count) => count(student) + (sum(teachers.map(count)) * share) / 100;
  return { steps: mean(({ steps }) => steps), evaluations: mean(evaluations) };
}
