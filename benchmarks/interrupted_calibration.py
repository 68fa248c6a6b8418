"""Calibrations killed and interrupted at random moments, against the one that was left alone, and two servers at once.

    python benchmarks/interrupted_calibration.py [--times 20] [--prompts 120]

Needs ComfyUI (see CONTRIBUTING.md). First the running calibration is interrupted through the API that many times, then
its server is killed (SIGKILL) that many times and started again; each calibration goes on until its table is there.
Then two servers with one user folder run the same calibration, and add SCORES scores each to one table. Exit status 1
where a table differs in a bit, a score is lost, a file is half-written or anything is left behind.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

PACK = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PACK / "tests"))

from comfy_server import Client, serving  # noqa: E402
from find_comfyui import comfyui, comfyui_python  # noqa: E402
from graphs import calibration_graph, demo_prompts, node, student_part  # noqa: E402

HOUR = 3600
MISSED = 0.8
SCORES = 40


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


def adding(number: int) -> dict:
    """Add the score of one image to the table `added`."""
    return student_part("a large red circle on sky", 1, number) | {
        "estimator": node("AdaptiveLoadEstimator", estimator="demo"),
        "scores": node(
            "AdaptiveQualityScore",
            estimator=["estimator", 0],
            images=["student_images", 0],
            prompt="a large red circle on sky",
        ),
        "table": node("AdaptiveTableFromScores", scores=["scores", 0], name="added"),
    }


def share(trial: Trial, clients: Sequence[Client]) -> None:
    """Have both servers run one calibration and add to one table, at once."""
    runs = [client.queue(trial.graph("shared")) for client in clients]
    ended = [client.history(run, HOUR)["status"] for client, run in zip(clients, runs, strict=True)]
    failed = [status for status in ended if not status["completed"]]
    if len(failed) > 1 or any("another process is writing to" not in json.dumps(status) for status in failed):
        sys.exit(f"two servers at one calibration: {failed}")
    print(f"two servers at one calibration: {len(failed)} of them was told that the other is at it", flush=True)
    queued = [(client, client.queue(adding(1000 * i + n))) for n in range(SCORES) for i, client in enumerate(clients)]
    for client, run in queued:
        client.history(run, HOUR)
    count = len((trial.table("added") or {"scores": []})["scores"])
    print(f"two servers that add to one table: {count} of {len(queued)} scores are there", flush=True)
    left = [path.name for path in trial.folder.iterdir() if path.suffix != ".json"]
    if count < len(queued) or trial.table("shared") != trial.table("whole") or left:
        sys.exit(f"scores were lost, the shared table differs, or there was left: {left}")


def seconds(client: Client, graph: dict) -> float:
    begun = time.monotonic()
    client.history(client.queue(graph), HOUR)
    return time.monotonic() - begun


def measure(trial: Trial, times: int, start: Callable[..., AbstractContextManager[Client]]) -> None:
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
        with start(other=True) as other:
            share(trial, (client, other))
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

        def start(other: bool = False) -> AbstractContextManager[Client]:
            """A server, or another one that shares its user folder."""
            folder = Path(base, "other") if other else Path(base)
            user = ["--user-directory", str(Path(base, "user"))]
            return serving(comfy, str(comfyui_python(comfy)), folder, *user)

        measure(Trial(Path(base), options.prompts), options.times, start)


if __name__ == "__main__":
    main()
