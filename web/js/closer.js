// An image seen closer: the student's and what came out, large and side by side.

import { escape } from "./text.js";

/** Open image `at` of `images`, each a list of {url, caption}; arrow keys go on to the next, Escape or a click closes. */
export function lookCloser(images, at) {
  const dialog = document.createElement("dialog");
  dialog.className = "adaptive-closer";
  const show = (next) => {
    at = (next + images.length) % images.length;
    dialog.innerHTML = page(images[at], at);
  };
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    event.stopPropagation();
    if (step) show(at + step);
  });
  dialog.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  show(at);
  document.body.append(dialog);
  dialog.showModal();
}

const page = (pictures, number) => `${pictures.map(figure).join("")}<footer>image ${number}</footer>`;

const figure = ({ url, caption }) =>
  `<figure><img src="${escape(url)}" alt=""><figcaption>${escape(caption)}</figcaption></figure>`;
