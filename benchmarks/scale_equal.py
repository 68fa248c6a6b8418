"""Whether it matters who draws: one process, shares of several, or workers on Ray.

    python -m benchmarks.scale_equal [--prompts 200] [--unit 64]

Draws with the demo models at k = 50, in processes of their own, and compares every image's bytes, score, verdict and
seed with those of the single process. Exit status 1 where one differs, or a process is left.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from tests.graphs import demo_prompts

PACK = Path(__file__).resolve().parents[1]
PATIENCE = 20.0
MARK = "ADAPTIVE_DIFFUSION_BENCHMARK"


def command(*words: object) -> None:
    done = subprocess.run([sys.executable, "-m", "adaptive_diffusion", *map(str, words)], cwd=PACK, capture_output=True)
    if done.returncode:
        sys.exit(done.stderr.decode())


def content(run: Path) -> list[tuple]:
    """Of each image its bytes, score, verdict and seed."""
    records = [json.loads(line) for line in (run / "images.jsonl").read_text().splitlines()]
    keys = ("index", "prompt", "seed", "score", "verdict", "taken", "evaluations")
    return [((run / each["image"]).read_bytes(), *(each[key] for key in keys)) for each in records]


def marked() -> None:
    """Have all that this process starts, and what those start, be known by what is in their environment."""
    os.environ[MARK] = str(os.getpid())


def left() -> list[str]:
    """Marked processes that are still there after 20 s."""
    end = time.monotonic() + PATIENCE
    while (found := [*_others()]) and time.monotonic() < end:
        time.sleep(0.2)
    return found


def _others() -> Iterator[str]:
    for each in psutil.process_iter():
        with suppress(psutil.Error):
            if each.environ().get(MARK) == str(os.getpid()) and each.pid != os.getpid():
                yield " ".join(each.cmdline())[:100]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--unit", type=int, default=64)
    options = parser.parse_args()
    count = options.prompts
    marked()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "prompts.txt").write_text("\n".join(demo_prompts(count)))
        own = ["generate", f"--prompts={base / 'prompts.txt'}", "--k=50", f"--unit={options.unit}"]
        ways = {
            "one process": [[f"--out={base / 'one process'}"]],
            "two shares": [["--shard=2/2"], ["--shard=1/2"]],
            "Ray, one worker": [["--cluster", "--workers=1"]],
            "Ray, two workers": [["--cluster", "--workers=2"]],
            "Ray, split": [["--cluster", "--workers=2", "--split"]],
        }
        wrong, expected = False, []
        for name, each in ways.items():
            shards = base / f"{name} in shards"
            for options in each:
                command(*own, *(options if "--out" in options[0] else [*options, f"--out={shards}"]))
            if shards.exists():
                command("collect", shards, f"--out={base / name}")
            found = content(base / name)
            expected = expected or found
            equal = sum(one == other for one, other in zip(found, expected, strict=True))
            rejected = sum(each[5] != "accepted" for each in found)
            print(f"{name}: {equal} of {count} equal, {rejected} rejected; left: {left() or 'nothing'}", flush=True)
            wrong |= equal != count or bool(left())
    sys.exit(wrong)


if __name__ == "__main__":
    main()
