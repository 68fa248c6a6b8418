import assert from "node:assert/strict";
import { test } from "node:test";
import { frames, given, picture, run } from "./page.js";

const FIRST = "Adaptive demo";
const [MOST_NODES, READABLE] = [12, 0.68]; // widgets then have letters of 8 pixels
const SCREEN = { width: 1600, height: 900 };

/** The nodes of the open graph as they are drawn, in pixels of the page, and the scale. */
const drawn = (page) =>
  page.evaluate(() => {
    const { ds, canvas } = app.canvas;
    const outer = canvas.getBoundingClientRect();
    const nodes = app.graph.nodes.map((node) => {
      const box = document.querySelector(`[data-node-id="${node.id}"]`)?.getBoundingClientRect();
      if (box) return { title: node.title, x: box.x, y: box.y, right: box.right, bottom: box.bottom };
      const [x, y, width, height] = node.boundingRect;
      const [left, top] = [(x + ds.offset[0]) * ds.scale + outer.x, (y + ds.offset[1]) * ds.scale + outer.y];
      return { title: node.title, x: left, y: top, right: left + width * ds.scale, bottom: top + height * ds.scale };
    });
    return { nodes, scale: ds.scale };
  });

const meet = (a, b) => a.x < b.right - 1 && b.x < a.right - 1 && a.y < b.bottom - 1 && b.y < a.bottom - 1;

/** Texts that are cut on the pack's nodes and on notes, each with its node. */
const cut = (page) =>
  page.evaluate(() => {
    const found = [];
    const ours = app.graph.nodes.filter(({ type }) => type.startsWith("Adaptive") || type === "MarkdownNote");
    const hides = (element) => element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 1;
    for (const { adaptive, title } of ours) {
      if (!adaptive) continue;
      const { element } = adaptive;
      if (hides(element)) found.push(`${title}: its picture`);
      const inside = [...element.querySelectorAll("figcaption, .row, .note, td, th")];
      found.push(...inside.filter((part) => part.scrollWidth > part.clientWidth + 1).map((part) => `${title}: ${part.innerText}`));
    }
    for (const { id, title, type } of ours) {
      const box = document.querySelector(`[data-node-id="${id}"]`);
      const parts = [...(box?.querySelectorAll("*") ?? [])].filter((part) => !part.closest(".adaptive") && part.textContent.trim());
      const clipped = parts.filter((part) => getComputedStyle(part).overflowX !== "visible" && !part.children.length && hides(part));
      found.push(...clipped.map((part) => `${title}: ${part.textContent.trim().slice(0, 60)}`));
      const note = type === "MarkdownNote" && box?.querySelector(".comfy-markdown, .comfy-markdown-content, .markdown-content");
      if (note && note.scrollHeight > note.clientHeight + 1) found.push(`${title}: a note of ${note.scrollHeight} in ${note.clientHeight}`);
    }
    const said = [...document.querySelectorAll(".dom-widget *")].filter((part) => !part.closest(".adaptive, textarea"));
    const short = said.filter((part) => getComputedStyle(part).overflowY === "auto" && part.scrollHeight > part.clientHeight + 2);
    found.push(...short.map((part) => `${part.textContent.trim().slice(0, 60)}: ${part.scrollHeight} in ${part.clientHeight}`));
    return [...found, ...cutOnCanvas(ours)];

    /** What the canvas draws of these nodes with an ellipsis at its end. */
    function cutOnCanvas(nodes) {
      const texts = [];
      const { fillText } = CanvasRenderingContext2D.prototype;
      const context = document.createElement("canvas").getContext("2d");
      for (const node of nodes) {
        CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
          if (/(…|\.\.\.)$/.test(text)) texts.push(`${node.title} on the canvas: ${text}`);
          return fillText.call(this, text, ...place);
        };
        if (!LiteGraph.vueNodesMode) app.canvas.drawNode(node, context);
      }
      CanvasRenderingContext2D.prototype.fillText = fillText;
      return texts;
    }
  });

async function open(page, name) {
  await page.evaluate(async (name) => {
    const saved = await (await fetch(`/api/workflow_templates/adaptive_diffusion/${encodeURIComponent(name)}.json`)).json();
    await app.loadGraphData(saved, true, true, name, { openSource: "template" });
  }, name);
  await page.waitForTimeout(500);
  await frames(page);
}

export function firstContact(page) {
  test("the first template has few nodes, all on the screen and readable at the first zoom, none over another", async (t) => {
    await page.setViewportSize(SCREEN);
    await open(page, FIRST);
    const { nodes, scale } = await drawn(page);
    t.diagnostic(`${nodes.length} nodes, zoom ${scale.toFixed(2)}`);
    assert.ok(nodes.length <= MOST_NODES, `${nodes.length} nodes`);
    assert.ok(scale >= READABLE, `zoom ${scale}`);
    const { left, top } = await page.evaluate(() => ({
      left: document.querySelector(".side-tool-bar-container").getBoundingClientRect().right,
      top: app.canvas.canvas.getBoundingClientRect().y,
    }));
    const fits = ({ x, y, right, bottom }) => x >= left && y >= top && right <= SCREEN.width && bottom <= SCREEN.height;
    const outside = nodes.filter((node) => !fits(node));
    assert.deepEqual(outside, []);
    await run(page);
    await page.waitForTimeout(500);
    const { nodes: grown } = await drawn(page);
    const over = grown.flatMap((a, i) => grown.slice(i + 1).filter((b) => meet(a, b)).map((b) => `${a.title} and ${b.title}`));
    assert.deepEqual(over, []);
    assert.deepEqual(await cut(page), []);
    const gate = await page.evaluate(() => app.graph.nodes.find(({ type }) => type === "AdaptiveThresholdGate").id);
    assert.match((await picture(page, gate)).text, /steps per image/);
    await page.setViewportSize({ width: 1600, height: 1000 });
  });

  test("nothing is cut on any node of the pack in any template", async () => {
    const { adaptive_diffusion: names } = await page.evaluate(async () => (await fetch("/api/workflow_templates")).json());
    assert.ok(names.length >= 18);
    const found = {};
    for (const name of names) {
      await open(page, name);
      await page.evaluate(() => Object.assign(app.canvas.ds, { scale: 1, offset: [0, 0] }));
      await frames(page);
      const texts = await cut(page);
      if (texts.length) found[name] = texts;
    }
    assert.deepEqual(found, {});
  });

  test("one image alone is told the tables that judge it", async () => {
    await page.evaluate(async (graph) => app.loadApiJson(graph, "single"), given.graph);
    await frames(page);
    const told = await page.evaluate(async () => {
      app.graph.getNodeById("empty").widgets.find(({ name }) => name === "batch_size").value = 1;
      const { api } = window.comfyAPI.api;
      const failed = new Promise((done) => api.addEventListener("execution_error", ({ detail }) => done(detail), { once: true }));
      await app.queuePrompt(0);
      return (await failed).exception_message;
    });
    assert.match(told, /one score alone, which has no percentiles; choose a calibrated table of this estimator: Demo/);
  });
}
