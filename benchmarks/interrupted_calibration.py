"""Calibrations killed and interrupted at random moments, against the one that was left alone.

    python benchmarks/interrupted_calibration.py [--times 20] [--prompts 120]

Needs ComfyUI (see CONTRIBUTING.md). First the running calibration is interrupted through the API that many times, then
its server is killed (SIGKILL) that many times and started again; each calibration goes on until its table is there.
Exit status 1 where a table differs in a bit, a score is lost or a file is half-written.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

PACK = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PACK / "tests"))

from comfy_server import Client, serving  # noqa: E402
from find_comfyui import comfyui, comfyui_python  # noqa: E402
from graphs import calibration_graph, demo_prompts  # noqa: E402

HOUR = 3600
MISSED = 0.8


class Trial:
    """Calibrations of the same prompts under several names, in a ComfyUI whose folders lie in `base`."""

    def __init__(self, base: Path, count: int):
        self.base, self.prompts = base, demo_prompts(count)
        self.folder = base / "user" / "adaptive_diffusion" / "percentiles"
        self.kept = 0

    def graph(self, name: str) -> dict:
        return calibration_graph(name, self.prompts)

    def table(self, name: str) -> dict | None:
        """The table called `name` but for its date; None where it is not made yet."""
        path = self.folder / f"{name}.json"
        return {**json.loads(path.read_bytes()), "created": None} if path.exists() else None

    def check_files(self, name: str) -> None:
        """Every table is whole, and the journal of `name` holds all the scores it held before."""
        for path in self.folder.glob("*.json"):
            json.loads(path.read_bytes())
        scores = journalled(self.folder / f"{name}.journal")
        if self.table(name) is None and scores < self.kept:
            sys.exit(f"{self.kept - scores} scores were lost")
        self.kept = scores


def journalled(path: Path) -> int:
    lines = path.read_bytes().split(b"\n")[1:-1] if path.exists() else []
    return sum(len(json.loads(line)["scores"]) for line in lines)


def interrupt(trial: Trial, client: Client, name: str, moment: float) -> bool:
    """Queue the calibration and interrupt it after `moment` seconds; whether it was still running."""
    prompt = client.queue(trial.graph(name))
    time.sleep(moment)
    client.call("/interrupt", {})
    ended = client.history(prompt, HOUR)["status"]
    if ended["status_str"] == "error" and not any(event == "execution_interrupted" for event, _ in ended["messages"]):
        sys.exit(str(ended))
    return ended["status_str"] == "error"


def kill(trial: Trial, client: Client, name: str, moment: float) -> bool:
    """Queue the calibration and kill the server after `moment` seconds; whether its table was not there yet."""
    client.queue(trial.graph(name))
    time.sleep(moment)
    client.process.kill()
    client.process.wait()
    return trial.table(name) is None


def stop_often(trial: Trial, times: int, longest: float, how: str, stop: Callable[[str, float], bool]) -> list[str]:
    """Stop calibrations at `times` random moments within `longest` seconds, less where one ended before its moment.

    Returns the names of those begun.
    """
    names, stopped = [f"{how} 0"], 0
    while stopped < times:
        hit = stop(names[-1], random.uniform(0, longest))
        stopped += hit
        longest *= 1 if hit else MISSED
        trial.check_files(names[-1])
        if trial.table(names[-1]):
            trial.kept = 0
            names.append(f"{how} {len(names)}")
    print(f"{how} {stopped} times, {len(names)} calibrations", flush=True)
    trial.kept = 0
    return names


def seconds(client: Client, graph: dict) -> float:
    begun = time.monotonic()
    client.history(client.queue(graph), HOUR)
    return time.monotonic() - begun


def measure(trial: Trial, times: int, start: Callable[[], AbstractContextManager[Client]]) -> None:
    def kill_one(name: str, moment: float) -> bool:
        with start() as client:
            return kill(trial, client, name, moment)

    with start() as client:
        cold, warm = seconds(client, trial.graph("whole")), seconds(client, trial.graph("again"))
        names = ["again", *stop_often(trial, times, warm, "interrupted", partial(interrupt, trial, client))]
    names += stop_often(trial, times, cold, "killed", kill_one)
    with start() as client:
        for name in names:
            client.history(client.queue(trial.graph(name)), HOUR)
    differing = [name for name in names if trial.table(name) != trial.table("whole")]
    print(f"{len(names) - len(differing)} of {len(names)} tables have the bits of the uninterrupted one")
    sys.exit(f"these differ: {', '.join(differing)}" if differing else 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--prompts", type=int, default=120)
    options = parser.parse_args()
    comfy = comfyui() or sys.exit("no ComfyUI found; set COMFYUI_PATH")
    with tempfile.TemporaryDirectory() as base:
        start = partial(serving, comfy, str(comfyui_python(comfy)), Path(base))
        measure(Trial(Path(base), options.prompts), options.times, start)


if __name__ == "__main__":
    main()
