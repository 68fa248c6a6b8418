"""Write the demo models' calibration prompts: different captions of the training part.

python -m training.prompt_file
"""

import csv
import random
from pathlib import Path

from .scenes import sample_scene

PROMPTS = Path(__file__).parent.parent / "prompts/demo.csv"
COUNTS = {1: 140, 2: 180, 3: 180}
SEED = 6


def captions() -> list[str]:
    """COUNTS[n] captions with n objects, in mixed order; no two mean the same."""
    rng, found = random.Random(SEED), {}
    for objects, count in COUNTS.items():
        goal = len(found) + count
        while len(found) < goal:
            scene = sample_scene(rng, objects, "training")
            found.setdefault(scene.meaning, scene.caption)
    mixed = list(found.values())
    rng.shuffle(mixed)
    return mixed


if __name__ == "__main__":
    with PROMPTS.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([["caption"], *([caption] for caption in captions())])
