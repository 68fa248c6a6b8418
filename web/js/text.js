// Words and numbers as HTML.

export const escape = (text) => String(text).replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
export const row = (...parts) => `<div class="row">${parts.filter(Boolean).join("")}</div>`;
export const soft = (text) => (text ? `<span class="soft">${escape(text)}</span>` : "<span></span>");
export const note = (text) => `<div class="note">${escape(text)}</div>`;
export const two = (score) => score.toFixed(2).replace("-", "−");
export const three = (score) => score.toFixed(3).replace("-", "−");
export const brief = (number) => String(Math.round(number * 10) / 10);

export function duration(seconds) {
  if (seconds < 10) return `${brief(seconds)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
