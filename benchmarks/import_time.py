"""How long the pack takes to load, beside ComfyUI's own start.

    python benchmarks/import_time.py

Needs ComfyUI (see CONTRIBUTING.md). Prints the median of five starts.
"""

import statistics
import subprocess
import sys
from pathlib import Path

PACK = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PACK / "tests"))

from find_comfyui import comfyui, comfyui_python  # noqa: E402

STARTS = 5
SCRIPT = """
import asyncio, sys, time
begun = time.perf_counter()
sys.path.insert(0, sys.argv[1])
import comfy.options
from comfy.cli_args import args
args.cpu = True
import nodes, server
asyncio.run(nodes.init_extra_nodes(init_custom_nodes=False, init_api_nodes=False))
up = time.perf_counter()
assert asyncio.run(nodes.load_custom_node(sys.argv[2]))
print(up - begun, time.perf_counter() - up)
"""


def start(comfy: Path) -> tuple[float, float]:
    """Seconds of ComfyUI's start and of the pack's."""
    command = [str(comfyui_python(comfy)), "-c", SCRIPT, str(comfy), str(PACK)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    own, pack = map(float, run.stdout.splitlines()[-1].split())
    return own, pack


if __name__ == "__main__":
    found = comfyui()
    if found is None:
        sys.exit("no ComfyUI found; set COMFYUI_PATH")
    starts = [start(found) for _ in range(STARTS)]
    own, pack = (statistics.median(column) for column in zip(*starts, strict=True))
    print(f"ComfyUI {own:.2f} s, the pack {pack:.3f} s more ({pack / own:.1%})")
