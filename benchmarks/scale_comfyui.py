"""What comfy-batch adds to ComfyUI: milliseconds a prompt beside what ComfyUI itself takes for a unit.

    python -m benchmarks.scale_comfyui [--prompts 192] [--unit 64] [--comfyui FOLDER]

Starts a ComfyUI with this pack, draws with the demo models, and compares the wall seconds from a unit's prompts to its
shard with those between ComfyUI's own messages that the graph began and ended.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from adaptive_diffusion.prompts import described
from adaptive_diffusion.scale import sharded, stores
from adaptive_diffusion.scale.comfyui.process import Installation
from adaptive_diffusion.scale.comfyui.server import Server
from adaptive_diffusion.scale.comfyui.worker import Job, OnItsOwn
from adaptive_diffusion.scale.comfyui.workflow import load
from adaptive_diffusion.scale.drawing import draw_unit
from benchmarks.timing import table

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from comfy_server import prepared  # noqa: E402
from find_comfyui import comfyui, comfyui_python  # noqa: E402
from graphs import adaptive_graph, changed, demo_prompts, node  # noqa: E402

MESSAGES = ("execution_start", "execution_success")


class Watched(Server):
    """A server that remembers how long ComfyUI says that its last graph ran."""

    own = 0.0

    def _waited(self, key: str) -> Any:
        entry = super()._waited(key)
        told = dict(entry["status"]["messages"])
        begun, ended = (told[name]["timestamp"] for name in MESSAGES)
        Watched.own = (ended - begun) / 1000
        return entry


def workflow(folder: Path) -> Path:
    graph = changed(adaptive_graph(["load", 0], batch=1, seed=["load", 1]), "gate", table="Demo", k=50.0)
    loading = node("AdaptiveLoadPrompts", file="bundled", column="caption", count=0, seed=5)
    (folder / "workflow.json").write_text(json.dumps({**graph, "load": loading}))
    return folder / "workflow.json"


def measure(folder: Path, of: Installation, count: int, unit: int) -> list[list[str]]:
    prompts, graph = demo_prompts(count), load(workflow(folder))
    run = sharded.opened(stores.Folder(folder / "out"), {"prompts": described(prompts, 5)}, prompts, unit)
    worker = OnItsOwn(Job(graph, 5, None, run.key, run.store), of)
    worker.server = Watched(worker.server.address)
    rows = []
    try:
        for number in run.missing():
            begun = time.perf_counter()
            draw_unit(worker, run, number, prompts[run.units[number]])
            seconds = time.perf_counter() - begun
            added = 1000 * (seconds - Watched.own) / run.count([number])
            rows.append([str(number), f"{seconds:.2f}", f"{Watched.own:.2f}", f"{added:.1f}"])
    finally:
        worker.close()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=192)
    parser.add_argument("--unit", type=int, default=64)
    parser.add_argument("--comfyui", type=Path, default=comfyui())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = prepared(Path(folder) / "base")
        of = Installation(options.comfyui, comfyui_python(options.comfyui), f"--cpu --base-directory '{base}'")
        of.check()
        rows = measure(Path(folder), of, options.prompts, options.unit)
    print(table(["unit", "seconds", "ComfyUI's own", "ms a prompt added"], rows))


if __name__ == "__main__":
    main()
