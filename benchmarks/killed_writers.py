"""Tables, running tables and merged tables whose writers are killed at random moments, alone and two at a time.

    python -m benchmarks.killed_writers [--kills 40]

The writers are processes of their own that say what they have written; they are ended with SIGKILL. Exit status 1 where
something that was said to be written is not there, a file is not whole, or anything is left behind.
"""

import argparse
import itertools
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path

from adaptive_diffusion import locks
from adaptive_diffusion.__main__ import main as command
from adaptive_diffusion.gate.percentiles import PercentileTable
from adaptive_diffusion.gate.running import COUNTED, RunningTable

PACK = Path(__file__).resolve().parents[1]
JUDGE = {"name": "judge", "dtype": "float32"}
START = PercentileTable.from_scores("start", [float(i) for i in range(100)], JUDGE)
LONGEST = 0.5


def add(folder: Path, number: int) -> None:
    PercentileTable.from_scores("table", [float(number)], JUDGE).add_to(folder / "table.json")


def added(folder: Path) -> set[int]:
    path = folder / "table.json"
    return {int(score) for score in PercentileTable.load(path).scores} if path.exists() else set()


def follow(folder: Path, number: int) -> None:
    RunningTable.start(START, JUDGE, None).judge_in(folder, [float(number)], [str(number)], 50)


def followed(folder: Path) -> set[int]:
    """The numbers of the latest images: a running table does not keep all of them for ever."""
    return {int(name) for path in folder.glob("*.json") for name in RunningTable.load(path).counted}


def merge(folder: Path, number: int) -> None:
    inputs = [folder / "a.json", folder / "b.json"]
    for path in inputs:
        if not path.exists():
            START.add_to(path)
    command(["merge-tables", *map(str, inputs), "--out", str(folder / f"{number}.json")])


def merged(folder: Path) -> set[int]:
    """The numbers of the merged tables, each of which must be whole."""
    made = [path for path in folder.glob("*.json") if path.stem.isdecimal()]
    return {int(path.stem) for path in made if len(PercentileTable.load(path).scores) >= 2 * len(START.scores)}


KINDS = {"table": (add, added), "running table": (follow, followed), "merge-tables": (merge, merged)}


def write(kind: str, folder: Path, first: int, step: int) -> None:
    """Write number after number for ever, and say each that is written."""
    for number in itertools.count(first, step):
        KINDS[kind][0](folder, number)
        print(f"written {number}", flush=True)


class Writer:
    """A process that writes every `step`-th number from `first` on, and what it has said."""

    def __init__(self, kind: str, folder: Path, first: int, step: int):
        arguments = ["--write", kind, str(folder), str(first), str(step)]
        program = [sys.executable, "-m", "benchmarks.killed_writers", *arguments]
        self.process = subprocess.Popen(program, cwd=PACK, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.heard = self.process.stdout
        self.said = {int(next(line for line in self.heard if line.startswith("written ")).split()[1])}

    def kill(self) -> set[int]:
        """End it; all numbers that it said were written."""
        self.process.kill()
        lines = [line.split() for line in self.heard.read().splitlines()]
        self.process.wait()
        return self.said | {int(line[1]) for line in lines if line[:1] == ["written"] and line[1:]}


def kill_often(kind: str, folder: Path, kills: int, writers: int) -> int:
    """Kill so many processes of `writers` at work at a time; how many numbers were written."""
    said: set[int] = set()
    there: set[int] = set()
    for _ in range(0, kills, writers):
        first = max(said, default=-1) + 1 + writers
        at_work = [Writer(kind, folder, first + i, writers) for i in range(writers)]
        for writer in at_work:
            time.sleep(random.uniform(0, LONGEST / writers))
            said |= writer.kill()
        found = KINDS[kind][1](folder)
        if len(found) < min(len(there), COUNTED) or said - there - found:
            sys.exit(f"{kind}: of {len(said)} that were said to be written, {len(said - there - found)} are lost")
        there |= found
    with redirect_stdout(None):
        KINDS[kind][0](folder, max(said) + 2 * writers)
    locks.sweep(folder)
    if left := [name for name in os.listdir(folder) if name.startswith(".")]:
        sys.exit(f"{kind}: left behind: {left}")
    return len(said)


def measure(kills: int) -> None:
    for kind, writers in itertools.product(KINDS, (1, 2)):
        with tempfile.TemporaryDirectory() as folder:
            count = kill_often(kind, Path(folder), kills, writers)
        alone = "alone" if writers == 1 else "two at a time"
        print(f"{kind}, {alone}: {kills} kills, all of {count} are there, nothing is left behind", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--write", nargs=4, metavar=("KIND", "FOLDER", "FIRST", "STEP"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        kind, folder, first, step = options.write
        write(kind, Path(folder), int(first), int(step))
    measure(options.kills)


if __name__ == "__main__":
    main()
