"""generate killed and started again at random moments, against the run that was left alone.

    python -m benchmarks.kill_and_resume [--prompts 500] [--batch 8] [--kills 25]

Runs on the demo models, in processes of their own, ended with SIGKILL: a quarter of them within their start, the others
between two random images. Then two processes go on with one run at once, and images of the finished run are removed and
cut. Exit status 1 where an image is lost, drawn again once it was recorded, out of order, half-written, or not that of
the run that was left alone, or where anything is left behind.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from adaptive_diffusion.standalone import runs
from tests.graphs import demo_prompts

PACK = Path(__file__).resolve().parents[1]
POLL = 0.005


class Trial:
    """A run of generate in `folder`, and what is known of it since the last kill."""

    def __init__(self, prompts: Path, folder: Path, batch: int):
        options = ["--prompts", str(prompts), "--out", str(folder), "--batch", str(batch), "--unit", str(batch)]
        self.command = [sys.executable, "-m", "adaptive_diffusion", "generate", *options]
        self.folder = folder
        self.recorded: list[tuple[runs.Record, int, int]] = []

    def start(self) -> subprocess.Popen:
        return subprocess.Popen(self.command, cwd=PACK, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def finish(self) -> None:
        """Go on to the end."""
        process = self.start()
        complaint = process.communicate()[1]
        if process.returncode:
            sys.exit(f"generate failed: {complaint}")
        self.check()

    def kill(self, moment: float, images: int) -> bool:
        """Go on until so many images more are recorded, and for `moment` seconds; False where it ended before."""
        process, goal = self.start(), len(self.recorded) + images
        while process.poll() is None and images and len(self.records()) < goal:
            time.sleep(POLL)
        time.sleep(moment)
        process.kill()
        running = process.wait() != 0
        self.check()
        return running

    def records(self) -> list[runs.Record]:
        return runs.read(self.folder)

    def check(self) -> None:
        """What was recorded before is still there, untouched, and every file is whole."""
        now = [(record, *self.written(record["image"])) for record in self.records()]
        if now[: len(self.recorded)] != self.recorded:
            sys.exit("a recorded image was lost, drawn again or moved")
        self.recorded = now
        for path in self.folder.glob("[!.]*.png"):
            with Image.open(path) as image:
                image.load()
        for path in self.folder.glob("run.json"):
            json.loads(path.read_bytes())

    def written(self, name: str) -> tuple[int, int]:
        status = (self.folder / name).stat()
        return status.st_mtime_ns, status.st_ino

    def content(self) -> dict[str, bytes]:
        """Every file but the records' seconds, which differ from run to run."""
        files = {path.name: path.read_bytes() for path in self.folder.iterdir() if path.name != runs.RECORDS}
        lines = [json.dumps(record | {"seconds": None}) for record in self.records()]
        return files | {runs.RECORDS: "\n".join(lines).encode()}


def stop_often(trial: Trial, kills: int, total: int, start: float, each: float) -> tuple[int, int]:
    """Kill up to so many processes; how many it were, and how many images lay on disk unrecorded when they ended.

    start, each: seconds until the first image, and between two.
    """
    killed = unrecorded = 0
    while killed < kills and len(trial.recorded) < total:
        early = random.random() < 0.25
        images = 0 if early else random.randint(1, 3 * total // (2 * kills))
        killed += trial.kill(random.uniform(0, start) if early else random.uniform(0, 8 * each), images)
        unrecorded += len([*trial.folder.glob("[!.]*.png")]) - len(trial.recorded)
    return killed, unrecorded


def both_at_once(trial: Trial) -> int:
    """Two processes begin or go on with the run; how many of them were told that another is at it."""
    processes = [trial.start() for _ in range(2)]
    complaints = [process.communicate()[1] for process in processes]
    trial.check()
    refused = [text for text in complaints if "another process is writing to" in text]
    if len(refused) != sum(process.returncode != 0 for process in processes):
        sys.exit(f"generate failed: {complaints}")
    return len(refused)


def spoil(trial: Trial, count: int) -> None:
    """Remove or cut so many images of the run."""
    for record in random.sample(trial.records(), count):
        path = trial.folder / record["image"]
        data = path.read_bytes()
        path.unlink()
        if random.random() < 0.5:
            path.write_bytes(data[: random.randrange(len(data))])


def measure(base: Path, count: int, batch: int, kills: int) -> None:
    prompts = base / "prompts.txt"
    prompts.write_text("\n".join(demo_prompts(count)))
    whole, cut = Trial(prompts, base / "whole", batch), Trial(prompts, base / "cut", batch)
    begun = time.time()
    whole.finish()
    first, last = (whole.written(whole.records()[i]["image"])[0] / 1e9 for i in (0, -1))
    print(
        f"left alone: {first - begun:.1f} s to the first image, {last - first:.1f} s to the last of {count}", flush=True
    )
    killed, unrecorded = stop_often(cut, kills, count, first - begun, (last - first) / count)
    done = len(cut.recorded)
    cut.finish()
    print(f"killed {killed} times, the last time with {done} images recorded; {unrecorded} were on disk unrecorded")
    if [record["index"] for record in cut.records()] != list(range(count)):
        sys.exit("images are missing or out of order")
    if cut.content() != whole.content():
        sys.exit("the run that was killed differs from the one that was left alone")
    print(
        f"{count} images, each once and in order, no recorded one written again, all bytes those of the run left alone"
    )
    shared = Trial(prompts, base / "shared", batch)
    print(f"two processes at once on one run: {both_at_once(shared)} of them was told that the other is at it")
    spoil(cut, min(5, count))
    cut.recorded = []
    cut.finish()
    if not shared.content() == cut.content() == whole.content():
        sys.exit("a run that two processes drew, or one with removed images, differs from the one left alone")
    print("what both drew, and removed and cut images drawn again, are the same bytes; nothing is left behind")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--kills", type=int, default=25)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as base:
        measure(Path(base), options.prompts, options.batch, options.kills)


if __name__ == "__main__":
    main()
