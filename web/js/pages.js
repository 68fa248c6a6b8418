// What each node shows, as HTML.

import { judged, THIS_RUN } from "./gate.js";
import { plot, span } from "./plot.js";

const escape = (text) => String(text).replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
const row = (...parts) => `<div class="row">${parts.filter(Boolean).join("")}</div>`;
const soft = (text) => (text ? `<span class="soft">${escape(text)}</span>` : "<span></span>");
export const note = (text) => `<div class="note">${escape(text)}</div>`;
const axis = (ends, name = "") => {
  const [low, high] = ends.map((end) => soft(ends[1] - ends[0] < 1 ? three(end) : two(end)));
  return row(low, name && soft(name), high);
};
const two = (score) => score.toFixed(2).replace("-", "−");
const three = (score) => score.toFixed(3).replace("-", "−");
const brief = (number) => String(Math.round(number * 10) / 10);

export function gatePage(view) {
  const ends = span(view);
  return [
    row(heading(view), soft(source(view))),
    plot(view),
    view.note ? note(view.note) : "",
    view.promised ? note(view.promised) : "",
    ends ? axis(ends, view.byRisk ? "risk" : "") : "",
    row(`<span>${share(view)}</span>`, cost(view.cost)),
    ...view.warnings.map(note),
  ].join("");
}

function heading({ tau, interval, byRisk }) {
  if (tau === null) return "<b></b>";
  const ends = interval?.map((end) => (end === null ? "?" : three(end))).join(" to ");
  const over = byRisk ? ": images of a higher risk that the teacher's is better go to the teacher" : "";
  const title = `The threshold${ends ? `, and where it belongs: 95 % sure` : ""}${over}`;
  return `<span title="${title}"><b>${byRisk ? "risk τ" : "τ"} ${three(tau)}</b> ${soft(ends)}</span>`;
}

function source({ table, curve, followed }) {
  if (!curve) return "";
  if (followed !== null) return `following ${followed} images`;
  if (!curve.count) return "published percentiles";
  return table === THIS_RUN ? `${curve.count} scores of the last run` : `${curve.count} ${curve.risk ? "pairs" : "scores"}`;
}

function share({ share: percent, under, images }) {
  if (percent == null) return "";
  const last =
    under !== null && images.length ? ` <span class="soft">${under} of the last ${images.length}</span>` : "";
  return `${brief(percent)} % to the teacher${last}`;
}

function cost(found) {
  if (!found) return "";
  const { steps, evaluations } = found;
  const more = evaluations && evaluations !== steps ? `, ${brief(evaluations)} model evaluations` : "";
  return `<span title="On average${more}">${brief(steps)} steps per image</span>`;
}

/**
 * One score, final, risk (or none), verdict (rejected? undefined: not known), prompt and list of failed checks per image;
 * files of the first ones. failed: the words for an image of which the teacher made nothing, at its place.
 */
export function imagesPage(shown, url) {
  const { names, before = [], scores, finals = scores, risks = [], verdicts, failed = [], prompts } = shown;
  const { reasons = [], warnings = [] } = shown;
  const image = (file) => (file ? `<img loading="lazy" draggable="false" src="${escape(url(file))}">` : "");
  const checks = (i) => reasons[i]?.join(", ");
  const risk = (i) => (risks[i] == null ? "" : `${Math.round(100 * risks[i])} %`);
  const words = (i) => [three(scores[i]), risk(i) && `risk ${risk(i)}`, failed[i], prompts[i], checks(i)];
  const title = (i) => escape(words(i).filter(Boolean).join(" "));
  const told = (i) => (checks(i) ? `<div class="reasons">${escape(checks(i))}</div>` : "");
  const figure = (name, i) => `<figure class="${kind(verdicts[i])}${failed[i] ? " failed" : ""}" title="${title(i)}">
    <div class="frame">${image(name)}${image(before[i])}${told(i)}</div>
    <figcaption><i></i>${caption(scores[i], finals[i])}${risk(i) && ` ${soft(risk(i))}`}</figcaption></figure>`;
  const more = scores.length - names.length;
  return [
    `<div class="grid" tabindex="-1" data-capture-wheel="true">${names.map(figure).join("")}</div>`,
    more > 0 ? soft(`and ${more} more`) : "",
    ...warnings.map(note),
  ].join("");
}

const kind = (rejected) => (rejected === undefined ? "" : rejected ? "teacher" : "kept");

function caption(score, final) {
  if (final === null) return `${two(score)} → ?`;
  return final === score ? two(score) : `${final > score ? "↑" : "↓"} ${two(final)}`;
}

/** What Quality Score sent, with the verdicts of the gate that judged the same scores. */
export function scoredImages(output, runs) {
  const { scores: groups, truncated: warnings, reasons } = output.adaptive_scores[0];
  const scores = groups.flat();
  const same = runs.find((run) => String(run.scores.flat()) === String(scores));
  return {
    names: output.adaptive_thumbnails,
    scores,
    verdicts: judged(same).map(({ rejected }) => rejected),
    risks: judged(same).map((image) => image.risk),
    prompts: same?.prompts.flat() ?? [],
    reasons: reasons?.flat(),
    warnings,
  };
}

/** What Adaptive Report sent. */
export function reportedImages({ adaptive_report: entries, adaptive_thumbnails: names, adaptive_before: before }) {
  const each = (key) => entries.map((entry) => entry[key]);
  const verdicts = each("verdict").map((verdict) => verdict !== "accepted");
  const failed = each("verdict").map((verdict) => (["accepted", "rejected"].includes(verdict) ? "" : verdict));
  const [scores, finals, risks, prompts, reasons] = ["score", "final_score", "risk", "prompt", "reasons"].map(each);
  return { names, before, scores, finals, risks, verdicts, failed, prompts, reasons };
}

/** A table in the making or made: see host/shown.py and host/files/outlines.py. */
export function tablePage({ done, total, rate, left, name, count, outline }) {
  const bar = `<div class="bar"><div style="width: ${(100 * done) / total}%"></div></div>`;
  const heading = name
    ? row(`<b>${escape(name)}</b>`, soft(`${count} scores`))
    : row(`<b>${done} of ${total}</b>`, soft(pace(rate, left))) + bar;
  return heading + plot({ curve: outline }) + axis(span({ curve: outline }));
}

const pace = (rate, left) => (left === null ? "" : `${rate.toPrecision(2)} per second, ${duration(left)} left`);

export function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
