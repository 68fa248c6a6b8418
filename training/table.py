"""Calibrate the `Demo` percentile table: the demo student's scores on training captions.

python -m training.table
"""

import argparse
from pathlib import Path

from adaptive_diffusion.gate.percentiles import PercentileTable
from adaptive_diffusion.gate.student import Student

from .export import DEMO_MODELS
from .sampling import DemoModels, captions_for

SEED = 4
TABLE = DEMO_MODELS.parent / "percentiles" / "Demo.json"


def table(folder: Path, count: int) -> PercentileTable:
    """Raw scores of `count` images, a third each with one, two and three objects."""
    models = DemoModels(folder)
    scenes, seeds = captions_for(count, SEED)
    steps, size = models.settings["student"]["steps"], models.settings["size"]
    scores = models.draw("student", [scene.caption for scene in scenes], seeds, steps).decision.scores.values
    student = Student("student", steps, 1.0, "lcm", "lcm", size, size)
    prompts = {"name": "demo grammar, training captions", "count": count}
    estimator = {"name": "Demo", "dtype": "float32"}
    return PercentileTable.from_scores("Demo", scores, estimator, student, prompts, "training/table.py")


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--models", type=Path, default=DEMO_MODELS)
    options.add_argument("--count", type=int, default=600)
    chosen = options.parse_args()
    table(chosen.models, chosen.count).save(TABLE)
