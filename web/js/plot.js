// The picture of a distribution: bars on both sides of the threshold, the share below each score, scores as ticks.

import { bars } from "./curve.js";

const [BARS, FEW] = [40, 20]; // fewer scores have no bars
const [TOP, FLOOR] = [6, 100];

/** The scores that the picture spans, with a little room; null without any. */
export function span({ curve, images = [], tau = null }) {
  const scores = [...(curve?.scores ?? []), ...images.map(({ value }) => value), ...(tau === null ? [] : [tau])];
  if (!scores.length) return null;
  const [low, high] = [Math.min(...scores), Math.max(...scores)];
  const room = (high - low) * 0.02 || 0.5;
  return [low - room, high + room];
}

const round = (number) => Math.round(number * 100) / 100;
const height = (share) => round(FLOOR - ((FLOOR - TOP) * share) / 100);

/** Rectangles from the floor, as one path, of what lies between `from` and `to`. */
export function barsPath(all, x, from, to) {
  const most = Math.max(...all.map(({ share }) => share));
  const rectangle = ({ from: start, to: end, share }) => {
    const gap = 0.12 * (end - start);
    const [left, right] = [Math.max(start + gap, from), Math.min(end - gap, to)];
    return share > 0 && right > left
      ? `M${x(left)} ${FLOOR}V${height((100 * share) / most)}H${x(right)}V${FLOOR}Z`
      : "";
  };
  return all.map(rectangle).join("");
}

/** The share below each score, as one path. */
export const curvePath = ({ k, scores }, x) => `M${scores.map((score, i) => `${x(score)} ${height(k[i])}`).join("L")}`;

/** Standing lines at the scores, as one path. */
export const ticksPath = (scores, x) => scores.map((score) => `M${x(score)} 0V10`).join("");

const path = (kind, d) => (d ? `<path class="${kind}" d="${d}"/>` : "");

/** SVG of curve, images, tau, k and interval, any of which may be missing; "" where there is nothing to draw. */
export function plot(view) {
  const ends = span(view);
  if (!ends) return "";
  const { curve, images = [], tau = null, k, interval, byRisk = false } = view;
  const x = (score) => round((100 * (score - ends[0])) / (ends[1] - ends[0]));
  const drawn = curve && (curve.count ?? FEW) >= FEW ? bars(curve, ...ends, BARS) : [];
  const cut = tau ?? (byRisk ? { 0: ends[1], 100: ends[0] } : { 0: ends[0], 100: ends[1] })[k];
  const [left, right] = byRisk ? ["kept", "teacher"] : ["teacher", "kept"];
  const between = (verdict, from, to) => path(`bars ${verdict}`, barsPath(drawn, x, from, to));
  const guide = tau !== null && curve && k > 0 ? `M0 ${height(byRisk ? 100 - k : k)}H${x(tau)}` : "";
  const valued = (verdict) => images.filter(({ rejected }) => rejected === verdict).map(({ value }) => value);
  return `<svg class="area" viewBox="0 0 100 100" preserveAspectRatio="none">
    ${interval ? band(interval.map((end, i) => x(end ?? ends[i]))) : ""}
    ${cut === undefined ? between("", ...ends) : between(left, ends[0], cut) + between(right, cut, ends[1])}
    ${path("guide", guide)}${curve ? path("curve", curvePath(curve, x)) : ""}
    ${tau === null ? "" : path("tau", `M${x(tau)} 0V100`)}</svg>
  <svg class="ticks" viewBox="0 0 100 10" preserveAspectRatio="none">
    ${path("kept", ticksPath(valued(false), x))}${path("teacher", ticksPath(valued(true), x))}</svg>`;
}

const band = ([from, to]) => `<rect class="interval" x="${from}" y="0" width="${round(to - from)}" height="100"/>`;
