"""What a million prompts take before the first is drawn: seconds and memory of the process that drives a run.

    python -m benchmarks.scale_dry [--prompts 1000000]

Writes a file of prompts, then measures processes of their own, with the demo models' settings: `generate --dry-run`,
which reads and checks all prompts and says what would be drawn; and the driver of a run on Ray whose worker draws
nothing, until the first units are told.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path

from benchmarks.scale_equal import PACK
from benchmarks.timing import table

WORDS = ("red", "green", "blue", "yellow", "purple"), ("circle", "square", "triangle", "cross")
FIRST = 20
MEASURED = (
    "import resource, runpy, sys; sys.argv = sys.argv[1:]; from adaptive_diffusion.__main__ import main; main(); "
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
)


def prompts(count: int) -> Iterator[str]:
    """So many different ones, of the demo models' words."""
    colours, shapes = WORDS
    parts = [f"a {colour} {shape}" for colour in colours for shape in shapes]
    every = (" left of ".join(four) for four in product(parts, repeat=5))
    return islice(every, count)


class NoDrawing:
    """Draws nothing, at once."""

    def draw(self, prompts, rows):
        return [], []

    def cut(self, prompts, kept):
        return []


class NoStore:
    """Keeps nothing."""

    place = "nowhere"

    def names(self) -> set[str]:
        return set()


def drive(path: Path) -> tuple[float, float, float]:
    """Seconds until the first units are told and those that each takes then; MiB of this process."""
    from adaptive_diffusion.prompts import described, read_prompts
    from adaptive_diffusion.scale import cluster
    from adaptive_diffusion.scale.sharded import ShardedRun

    begun = time.perf_counter()
    every = read_prompts(path, any_number=True)

    class Run(ShardedRun):
        def put(self, unit, records, pictures):
            pass

    run = Run(NoStore(), {"prompts": described(every, 0), "unit": 64})
    with cluster.connected(cluster.LOCAL, 1) as workers:
        told = cluster.draw(cluster.Work(run, NoDrawing), run.missing(), every, workers)
        next(told)
        first = time.perf_counter() - begun
        for _ in islice(told, FIRST):
            pass
        each = (time.perf_counter() - begun - first) / FIRST
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return first, each, memory


def dry(path: Path) -> tuple[float, float]:
    """Seconds and MiB of `generate --dry-run`."""
    begun = time.perf_counter()
    words = ["generate", f"--prompts={path}", f"--out={path.parent / 'out'}", "--shard=1/1", "--dry-run"]
    command = [sys.executable, "-c", MEASURED, "adaptive_diffusion", *words]
    said = subprocess.run(command, cwd=PACK, capture_output=True, text=True, check=True).stdout.split("\n")
    print(said[0])
    return time.perf_counter() - begun, int(said[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=1_000_000)
    parser.add_argument("--drive", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.drive:
        return print(*drive(options.drive))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "prompts.txt"
        with path.open("w") as file:
            file.writelines(f"{prompt}\n" for prompt in prompts(options.prompts))
        seconds, memory = dry(path)
        rows = [["generate --dry-run", f"{seconds:.1f}", f"{memory:.0f}", "-"]]
        command = [sys.executable, "-m", "benchmarks.scale_dry", f"--drive={path}"]
        said = subprocess.run(command, cwd=PACK, stdout=subprocess.PIPE, text=True, check=True).stdout
        first, each, memory = map(float, said.split()[-3:])
        rows.append(["driver on Ray", f"{first:.1f}", f"{memory:.0f}", f"{1000 * each:.1f}"])
    print(table(["", "seconds to begin", "MiB", "ms a unit"], rows))


if __name__ == "__main__":
    main()
