// The images of a run as thumbnails, each with what is known of it.

import { judged } from "./gate.js";
import { savingsTable } from "./savings.js";
import { escape, note, soft, three, two } from "./text.js";

/**
 * One score, final, risk (or none), verdict (rejected? undefined: not known), prompt and list of failed checks per image;
 * files of the first ones. failed: the words for an image of which the teacher made nothing, at its place.
 * marks: what a click would do, and whether a person corrected the verdict and no run has followed it yet; see `marked`.
 */
export function imagesPage(shown, url) {
  const { names, scores, warnings = [], savings } = shown;
  const more = scores.length - names.length;
  return [
    `<div class="grid" tabindex="-1" data-capture-wheel="true">${names.map((_, i) => figure(shown, i, url)).join("")}</div>`,
    more > 0 ? soft(`and ${more} more`) : "",
    ...warnings.map(note),
    savingsTable(savings),
  ].join("");
}

function figure({ names, before = [], scores, finals = scores, verdicts, reasons = [], marks = [], ...shown }, i, url) {
  const { failed = [], risks = [], prompts } = shown;
  const image = (file) => (file ? `<img loading="lazy" draggable="false" src="${escape(url(file))}">` : "");
  const checks = reasons[i]?.join(", ");
  const risk = risks[i] == null ? "" : `${Math.round(100 * risks[i])} %`;
  const words = [three(scores[i]), risk && `risk ${risk}`, failed[i], prompts[i], checks].filter(Boolean).join(" ");
  const kinds = [kind(verdicts[i]), failed[i] && "failed", marks[i]?.corrected && "corrected", marks[i]?.pending && "pending"];
  return `<figure class="${kinds.filter(Boolean).join(" ")}" data-image="${i}" title="${escape([words, marks[i]?.title].filter(Boolean).join("\n"))}">
    <div class="frame">${image(names[i])}${image(before[i])}<span class="number">${i}</span>${risk && `<span class="risk">${risk}</span>`}
    <button class="closer" title="Look closer (or Shift and a click)"></button>${
      checks ? `<div class="reasons">${escape(checks)}</div>` : ""
    }</div>
    <figcaption><i></i>${caption(scores[i], finals[i])}</figcaption></figure>`;
}

const kind = (rejected) => (rejected === undefined ? "" : rejected ? "teacher" : "kept");

function caption(score, final) {
  if (final === null) return `${two(score)} → ?`;
  return final === score ? two(score) : `${final > score ? "↑" : "↓"} ${two(final)}`;
}

/** What Quality Score sent, with the verdicts of the run of a gate that judged these scores, if any. */
export function scoredImages(output, run) {
  const { scores, truncated: warnings, reasons } = output.adaptive_scores[0];
  return {
    names: output.adaptive_thumbnails,
    scores: scores.flat(),
    verdicts: judged(run).map(({ rejected }) => rejected),
    risks: judged(run).map(({ risk }) => risk),
    prompts: run?.prompts.flat() ?? [],
    reasons: reasons?.flat(),
    warnings,
  };
}

/** What Adaptive Report sent. */
export function reportedImages({ adaptive_report: entries, adaptive_thumbnails: names, adaptive_before: before, ...more }) {
  const each = (key) => entries.map((entry) => entry[key]);
  const verdicts = each("verdict").map((verdict) => verdict !== "accepted");
  const failed = each("verdict").map((verdict) => (["accepted", "rejected"].includes(verdict) ? "" : verdict));
  const [scores, finals, risks, prompts, reasons] = ["score", "final_score", "risk", "prompt", "reasons"].map(each);
  const [savings] = more.adaptive_savings ?? [];
  return { names, before, scores, finals, risks, verdicts, failed, prompts, reasons, savings };
}

/** The same with the verdicts that count after what a person corrected (see corrections.js), and what a click does. */
export function marked(shown, verdicts) {
  const marks = verdicts.map(({ digest, own, rejected, corrected }, i) => ({
    corrected,
    pending: rejected !== shown.verdicts[i],
    title: digest && (corrected ? "Corrected; a click takes it back" : own ? "A click keeps it" : "A click sends it to the teacher"),
  }));
  return { ...shown, verdicts: verdicts.map(({ rejected }) => rejected), marks };
}

/** What is seen of each image closer: the student's, and what came out where the teacher was asked; {name, caption}. */
export function closerImages({ adaptive_report: entries, adaptive_large: finals, adaptive_large_before: students }) {
  return finals.map((final, i) => {
    const { score, final_score, taken } = entries[i];
    const student = { name: students[i] ?? final, caption: `student ${two(score)}` };
    if (!students[i]) return [student];
    const result = taken === false ? "result: the student's was kept" : "result";
    return [student, { name: final, caption: [result, final_score != null && two(final_score)].filter(Boolean).join(" ") }];
  });
}
