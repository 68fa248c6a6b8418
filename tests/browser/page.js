// A page with the frontend, and what a person does there and sees.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

export const given = JSON.parse(readFileSync(process.env.GIVEN, "utf8"));
const { chromium } = createRequire(`${given.driver}/`)("playwright-core");
const OF_COMFYUI = [/Failed to load resource/, /graph accessed before init/, /huggingface\.co/];
const OURS = /\/extensions\/adaptive_diffusion\//;
const OWN_404 = /\/api\/(userdata|settings|user\.css)|user\.css|\/docs\/\w+\/en\.md/;

/** A page whose `problems` are what the console and the server complain of and ComfyUI alone would not. */
export async function open() {
  const browser = await chromium.launch({ executablePath: given.chromium, args: ["--no-sandbox"] });
  const page = await browser.newPage({ viewport: { width: 1600, height: 1000 } });
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(error.stack));
  page.on("response", (answer) => {
    if (answer.status() >= 400 && !OWN_404.test(answer.url())) page.problems.push(`${answer.status()} ${answer.url()}`);
  });
  page.on("console", (message) => {
    const known = OF_COMFYUI.some((noise) => noise.test(message.text()));
    const ours = message.type() === "warning" && OURS.test(message.location().url);
    if ((message.type() === "error" || ours) && !known) page.problems.push(message.text());
  });
  const settings = { "Comfy.TutorialCompleted": true, "Comfy.Minimap.Visible": false, "Comfy.Workflow.Persist": false };
  await page.request.post(`${given.url}/api/settings`, { data: settings });
  await page.goto(given.url, { timeout: 120_000 });
  await ready(page);
  return page;
}

export async function reload(page) {
  await page.reload({ timeout: 120_000 });
  await ready(page);
}

async function ready(page) {
  const isReady = () => window.app?.vueAppReady && app.extensionManager.spinner === false;
  await page.waitForFunction(isReady, null, { timeout: 120_000 });
  await page.evaluate(hearDeprecations);
}

/** Count all calls that litegraph warns of, each time, and keep what it says of those that come from this pack's files. */
function hearDeprecations() {
  LiteGraph.alwaysRepeatWarnings = true;
  window.deprecated = { heard: 0, ours: [] };
  LiteGraph.onDeprecationWarning.splice(0, Infinity, (message) => {
    window.deprecated.heard++;
    const { stack } = new Error();
    if (stack.includes("/extensions/adaptive_diffusion/")) window.deprecated.ours.push(`${message} ${stack}`);
  });
}

export const set = (page, name, value) =>
  page.evaluate(([name, value]) => app.extensionManager.setting.set(name, value), [name, value]);

/** The graph on the canvas as a workflow of its own, with the nodes `shown` side by side at the top left. */
export async function load(page, graph, shown) {
  page.loaded = (page.loaded ?? 0) + 1;
  await page.evaluate(async ([graph, name]) => app.loadApiJson(graph, name), [graph, `test ${page.loaded}.`]);
  await arrange(page, shown);
}

export async function arrange(page, shown) {
  await page.evaluate((shown) => {
    for (const node of app.canvas.graph.nodes) node.pos = [3000, 3000];
    shown.forEach((id, i) => (app.canvas.graph.getNodeById(id).pos = [100 + 420 * i, 100]));
    app.canvas.ds.scale = 1;
    app.canvas.ds.offset = [0, 0];
    app.canvas.setDirty(true, true);
  }, shown);
  await frames(page);
}

/** Until everything is drawn that is to be drawn. */
export const frames = (page) =>
  page.evaluate(async () => {
    for (let i = 0; i < 4; i++) await new Promise(requestAnimationFrame);
    await new Promise((done) => setTimeout(done, 120));
  });

/** Give a widget a value as its menu or field does. */
export async function choose(page, id, name, value) {
  await page.evaluate(
    ([id, name, value]) => {
      const widget = app.canvas.graph.getNodeById(id).widgets.find((each) => each.name === name);
      widget.value = value;
      widget.callback(value);
    },
    [id, name, value],
  );
  await frames(page);
}

/** Queue what is on the canvas; the outputs of its run by execution id. */
export async function run(page) {
  const outputs = await page.evaluate(async () => {
    const { api } = window.comfyAPI.api;
    const outputs = {};
    const keep = ({ detail }) => (outputs[detail.node] = detail.output);
    api.addEventListener("executed", keep);
    const ended = new Promise((done, fail) => {
      api.addEventListener("execution_success", done, { once: true });
      api.addEventListener("execution_error", ({ detail }) => fail(new Error(detail.exception_message)), {
        once: true,
      });
    });
    await app.queuePrompt(0);
    await ended;
    api.removeEventListener("executed", keep);
    return outputs;
  });
  await frames(page);
  return outputs;
}

/** What stands in a node's picture, and whether it lies on the node where a person sees it. */
export const picture = (page, id) =>
  page.evaluate((id) => {
    const node = app.canvas.graph.getNodeById(id);
    const { element } = node.widgets.find(({ name }) => name === "adaptive_picture");
    const text = (selector) => element.querySelector(selector)?.textContent.trim() ?? null;
    const xs = (selector) => [...(element.querySelector(selector)?.getAttribute("d") ?? "").matchAll(/M([\d.]+)/g)];
    const box = element.getBoundingClientRect();
    const outer = app.canvas.canvas.getBoundingClientRect();
    const [x, y] = [box.x - outer.x - node.pos[0], box.y - outer.y - node.pos[1]];
    const slack = 2;
    return {
      visible: element.checkVisibility() && box.width > 100 && box.height > 20,
      inside: x > -slack && y > 0 && x + box.width < node.size[0] + slack && y + box.height < node.size[1] + 40,
      text: element.innerText.replaceAll("−", "-"),
      tau: text("b"),
      tauAt: xs(".tau").map((each) => +each[1])[0] ?? null,
      kept: xs(".ticks .kept").map((each) => +each[1]),
      teacher: xs(".ticks .teacher").map((each) => +each[1]),
      bars: element.querySelectorAll(".bars").length,
      note: text(".note"),
      titles: [...element.querySelectorAll("[title]:not(button, table)")].map(({ title }) => title).join(),
      figures: [...element.querySelectorAll("figure")].map((figure) => ({
        verdict: figure.className,
        text: figure.innerText.trim().replaceAll("−", "-"),
        loaded: [...figure.querySelectorAll("img")].map((image) => image.complete && image.naturalWidth > 0),
      })),
    };
  }, id);
