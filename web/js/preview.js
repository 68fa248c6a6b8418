// Room for what a node says after a run: ComfyUI's canvas gives every text two lines.

const TEXT = "$$node-text-preview"; // ComfyUI's name of the widget
const [LETTER, LINE, AROUND] = [5.5, 17, 32]; // in pixels: a letter's width, a line's height, and what is around the text

export function makeRoom(node) {
  const preview = node.widgets?.find(({ name }) => name === TEXT);
  if (typeof preview?.value !== "string") return;
  const columns = Math.max(20, Math.floor((node.size[0] - 2 * AROUND) / LETTER));
  const lines = preview.value.split("\n").map((line) => Math.max(1, Math.ceil(line.length / columns)));
  const height = Math.max(50, AROUND + LINE * lines.reduce((sum, count) => sum + count, 0));
  if (preview.options.getMinHeight?.() === height) return;
  preview.options.getMinHeight = () => height;
  node.expandToFitContent();
}
