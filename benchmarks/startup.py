"""What the pack adds to ComfyUI's start: seconds, memory and modules.

    python -m benchmarks.startup [--starts 7]

Needs ComfyUI (see CONTRIBUTING.md). Every start is a process of its own; medians.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.timing import table

PACK = Path(__file__).resolve().parents[1]
sys.path.append(str(PACK / "tests"))

from find_comfyui import comfyui, comfyui_python  # noqa: E402

SCRIPT = """
import asyncio, json, os, sys, time
def now():
    pages = int(open("/proc/self/statm").read().split()[1])
    return time.process_time(), time.perf_counter(), pages * os.sysconf("SC_PAGE_SIZE") / 2**20, len(sys.modules)
begun = now()
sys.path.insert(0, sys.argv[1])
import comfy.options
from comfy.cli_args import args
args.cpu = True
import nodes, server
asyncio.run(nodes.init_extra_nodes(init_custom_nodes=False, init_api_nodes=False))
up = now()
assert asyncio.run(nodes.load_custom_node(sys.argv[2]))
print(json.dumps([begun, up, now()]))
"""
ROWS = {"processor seconds": ".3f", "wall seconds": ".3f", "MiB": ".1f", "modules": ".0f"}


def start(comfy: Path) -> tuple[list[float], list[float]]:
    """Of each row: what ComfyUI's start takes, and what the pack's adds."""
    command = [str(comfyui_python(comfy)), "-c", SCRIPT, str(comfy), str(PACK)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    begun, up, loaded = json.loads(run.stdout.splitlines()[-1])
    return [b - a for a, b in zip(begun, up, strict=True)], [b - a for a, b in zip(up, loaded, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=7)
    count = parser.parse_args().starts
    comfy = comfyui() or sys.exit("no ComfyUI found; set COMFYUI_PATH")
    starts = [start(comfy) for _ in range(count)]
    lines = []
    for i, (name, style) in enumerate(ROWS.items()):
        own, added = (statistics.median(one[part][i] for one in starts) for part in (0, 1))
        lines.append([name, f"{own:{style}}", f"{added:{style}}", f"{added / own:.1%}"])
    print(table(["", "ComfyUI", "the pack adds", "share"], lines))


if __name__ == "__main__":
    main()
