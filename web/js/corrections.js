// The verdicts that a person corrected: see adaptive_diffusion/gate/corrections.py.

const [TEACHER, KEEP] = ["teacher", "keep"];

/** Whether the image of each digest is rejected, as the gate's text says. */
export function readCorrections(text) {
  const entries = (text ?? "").matchAll(/(teacher|keep)\s+([0-9a-f]{16})/g);
  return new Map([...entries].map(([, verdict, digest]) => [digest, verdict === TEACHER]));
}

/** The text after a click on an image whose verdict without any correction is `rejected`: corrected, or no more. */
export function toggled(text, digest, rejected) {
  const given = readCorrections(text);
  if (!given.delete(digest)) given.set(digest, !rejected);
  return [...given].map(([name, sent]) => `${sent ? TEACHER : KEEP} ${name}`).join(", ");
}

/**
 * What a run and the gate's text say of each image: its digest, the gate's own verdict, the one that counts, and whether
 * it is corrected. Nothing of a run whose images are not known.
 */
export function verdictsOf(run, text) {
  const given = readCorrections(text);
  return run.scores.flatMap((scores, batch) =>
    scores.map((_, i) => {
      const digest = run.digests?.[batch]?.[i];
      const own = run.rejected[batch].includes(i) !== Boolean(run.corrected?.[batch]?.includes(i));
      return { digest, own, rejected: given.get(digest) ?? own, corrected: given.has(digest) };
    }),
  );
}
