"""ImageReward's scoring speed, the pack beside the package, in one process and in turns.

    .cache/oracle/venv/bin/python -m benchmarks.scoring FOLDER

Runs in the oracle's environment (tests/oracle/README.md), with random weights of full size; FOLDER gets 2 GB of them.
The package scores one image for one prompt at a time; the pack takes a batch and encodes each image once.
Seconds are the processor's, of one thread, so that other work on the machine does not count.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from adaptive_diffusion import estimators
from tests.oracle import images, package, prompts
from tests.oracle.weights import FULL

KIND = "ImageReward"
ROUNDS = 4
CASES = {"many images, one prompt": (8, 1), "few images, several prompts each": (2, 4)}


def seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder.resolve()
    torch.set_num_threads(1)
    package.settle(folder)
    package.save(KIND, FULL)
    score, pack = package.load(KIND, FULL), estimators.load(folder / package.FILES[KIND])
    for name, (pictures, texts) in CASES.items():
        rows = [images.blocks(seed, 512, 512) for seed in range(pictures)]
        batch = torch.stack([torch.from_numpy(row) for row in rows]) / 255
        asked = prompts.SCORED[:texts]
        ways = (partial(package.table, score, rows, asked), partial(pack.score_each, batch, asked))
        times = [[seconds(way) for way in ways] for _ in range(ROUNDS)]
        slow, fast = (min(column) for column in zip(*times, strict=True))
        print(
            f"{name} ({pictures} x {texts}): package {slow:.2f} s, pack {fast:.2f} s, {slow / fast:.2f} x", flush=True
        )


if __name__ == "__main__":
    main()
