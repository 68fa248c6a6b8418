"""Run the tests of what a person sees: ComfyUI's frontend, then a newer one, in a headless browser on a live server.

python tests/run_browser.py [options of node's test runner, such as --test-name-pattern=help]
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from comfy_server import serving
from find_comfyui import PACK, comfyui, comfyui_python
from graphs import Graph, adaptive_graph, calibration_graph, changed, demo_prompts, node
from workflows.stand_ins import make_input

from adaptive_diffusion.gate.best_of_n import expected_candidates
from adaptive_diffusion.gate.confidence import confidence
from adaptive_diffusion.gate.cost import SAMPLERS, Costs, evaluations
from adaptive_diffusion.gate.gauge import sureness
from adaptive_diffusion.gate.learned import LearnedGate
from adaptive_diffusion.gate.percentiles import PercentileTable

TESTS = PACK / "tests" / "browser"
DRIVER, FRONTENDS = PACK / ".cache" / "browser", PACK / ".cache" / "frontend"
NEWER = "1.58.1"
"""The newest frontend on PyPI that the tests have passed on; ComfyUI installs the one of its requirements."""

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SPEC = "--test-reporter=spec"
KS = (15, 30, 45, 80)
ONE_WAY, BOTH_WAYS, GUIDED = (1.0, False), (1.0, True), (3.0, True)


def main() -> int:
    node_js, comfy, browser = shutil.which("node"), comfyui(), chromium()
    if not node_js:
        print("SKIPPED: node was not found, so nothing of tests/browser did run.")
        return 0
    pure = subprocess.run([node_js, "--test", SPEC, *sorted(map(str, TESTS.glob("pure/*.test.js")))]).returncode
    driver = playwright() if comfy and browser else None
    if not (comfy and browser and driver):
        tools = {"ComfyUI (COMFYUI_PATH)": comfy, "Chromium (CHROMIUM)": browser, "playwright-core (npm)": driver}
        missing = ", ".join(name for name, found in tools.items() if not found)
        print(f"SKIPPED: not found: {missing}. So tests/browser ran without a browser only.")
        return pure
    tools = {"chromium": browser, "driver": str(driver), **material()}
    newer = newer_frontend(comfyui_python(comfy))
    if not newer:
        print(f"SKIPPED: frontend {NEWER} could not be installed, so tests/browser run on ComfyUI's own alone.")
    frontends = [each for each in ([], newer) if each is not None]
    with ThreadPoolExecutor() as side_by_side:
        codes = [pure, *side_by_side.map(partial(tested, node_js, comfy, tools), frontends)]
    return next(filter(None, codes), 0)


def tested(node_js: str, comfy: Path, tools: dict[str, Any], frontend: list[str]) -> int:
    """The exit code of the tests on a server with these options, which choose its frontend; shows all they said."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(comfy, str(comfyui_python(comfy)), Path(folder), "--disable-api-nodes", *frontend) as server,
    ):
        make_input(Path(folder) / "input")
        given = Path(folder) / "given.json"
        given.write_text(json.dumps({"url": f"http://{server.address}", "newer": bool(frontend), **tools}))
        command = [node_js, SPEC, *sys.argv[1:], str(TESTS / "main.js")]
        environment = {**os.environ, "GIVEN": str(given)}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(f"Frontend: {NEWER if frontend else 'of ComfyUI'}\n{done.stdout}", flush=True)
        return done.returncode


def newer_frontend(python: Path) -> list[str] | None:
    """The server's options for the newer frontend, which is installed once; None where it cannot be had."""
    here = FRONTENDS / NEWER
    root = here / "comfyui_frontend_package" / "static"
    if not root.exists():
        quiet = ["--quiet", "--no-deps", "--disable-pip-version-check", "--target", str(here)]
        subprocess.run([str(python), "-m", "pip", "install", *quiet, f"comfyui-frontend-package=={NEWER}"])
    return ["--front-end-root", str(root)] if root.exists() else None


def chromium() -> str | None:
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUMS)), None)


def playwright() -> Path | None:
    """A folder that holds node_modules/playwright-core of the pinned version, fetched once."""
    version = json.loads((TESTS / "package.json").read_text())["dependencies"]["playwright-core"]
    here = DRIVER / version
    if not (here / "node_modules" / "playwright-core").exists() and shutil.which("npm"):
        here.mkdir(parents=True, exist_ok=True)
        fetch = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(here)]
        subprocess.run([*fetch, f"playwright-core@{version}"])
    return here if (here / "node_modules" / "playwright-core").exists() else None


def material() -> dict[str, Any]:
    """Graphs to load, and what the pack itself computes for what the pictures must show."""
    table = PercentileTable.load(PACK / "percentiles" / "Demo.json")
    gate = LearnedGate.load(PACK / "percentiles" / "Demo gate.safetensors")
    graph = adaptive_graph(k=30, batch=5, steps=6)
    graph["report"] = node("AdaptiveReport", images=["student_images", 0], decision=["gate", 0])
    graph = changed(graph, "report", final_images=["merge", 0])
    graph["sheet"] = node("PreviewImage", images=["report", 0])
    graph = changed(graph, "gate", student=["student", 1], reject_indices="", corrections="")
    return {
        "graph": graph,
        "graded": graded(graph),
        "calibration": calibration_graph("new", demo_prompts(40), batch=8),
        "demo": {k: {"tau": table.threshold(k), "interval": confidence(table.scores, k).threshold} for k in KS},
        "learned": {k: {"tau": gate.threshold(k), "interval": sureness(gate, k).threshold} for k in KS},
        "cost": {k: [Costs(2, 6).average(k), Costs(2, 12).average(k)] for k in KS},
        "costs": list(costs(graph)),
        "evaluations": [
            {"steps": steps, "cfg": cfg, "sampler": sampler, "negative": negative, "candidates": 1, "expected": count}
            for sampler in SAMPLERS
            for steps in range(1, 9)
            for cfg, negative in (ONE_WAY, BOTH_WAYS, GUIDED)
            for count in [evaluations(steps, cfg, sampler, negative)]
        ],
    }


def graded(graph: Graph) -> Graph:
    """The same with the exact grader's named checks, on a scene that one step often gets wrong."""
    caption = "a purple triangle left of a yellow triangle and a red square below on black"
    graph = changed({**graph, "estimator": node("TestGrader")}, "student", steps=1)
    for name in ("student_prompt", "teacher_prompt"):
        graph = changed(graph, name, text=caption)
    return changed(changed(graph, "scores", prompt=caption), "empty", batch_size=16)


def costs(graph: Graph) -> Iterator[dict[str, Any]]:
    """Graphs whose student takes 2 steps and whose teacher takes 6, with what an image costs on average at k 30."""

    def case(graph: Graph, student: float, teacher: float | None, drawn: float = 1.0) -> dict[str, Any]:
        told = teacher and round(Costs(drawn * student, teacher).average(30), 1)
        return {"graph": graph, "steps": round(Costs(drawn * 2, 6).average(30), 1), "evaluations": told}

    yield case(changed(graph, "teacher", sampler_name="heun"), 2, 22)
    yield case(changed(graph, "teacher", sampler_name="euler_cfg_pp", cfg=1.0), 2, 12)
    alone = changed(graph, "teacher", sampler_name="euler_cfg_pp", cfg=1.0, negative=None)
    yield case(changed(alone, "student", sampler_name="heun"), 3, 6)
    chosen = {**graph, "chosen": node("KSamplerSelect", sampler_name="heun")}
    yield case(changed(chosen, "teacher", sampler=["chosen", 0]), 2, None)
    judging = {"vae": ["student_models", 2], "estimator": ["estimator", 0], "prompt": "a red circle on sky"}
    drawing = {**graph["student"]["inputs"], "sampler_name": "heun", "table": "Demo", "k": 50.0, "candidates": 2}
    search = {**graph, "student": node("AdaptiveBestOfN", **drawing, **judging)}
    search = changed(search, "gate", scores=["student", 2], student=["student", 3])
    yield case(search, 3, 12, expected_candidates(2, 50.0))


if __name__ == "__main__":
    sys.exit(main())
