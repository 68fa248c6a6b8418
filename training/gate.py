"""Fit the `Demo gate`: which images of the demo student the demo teacher betters, by the demo estimator alone.

python -m training.gate
"""

import argparse
from pathlib import Path

import numpy

from adaptive_diffusion.gate.about import About
from adaptive_diffusion.gate.fitting import fit
from adaptive_diffusion.gate.judge import Judge
from adaptive_diffusion.gate.pairs import Pairs
from adaptive_diffusion.gate.student import Student
from adaptive_diffusion.gate.teacher import Teacher

from .export import DEMO_MODELS
from .sampling import BATCH, DemoModels, captions_for
from .table import TABLE

SEED, COUNT = 20270, 1500
GATE = TABLE.with_name("Demo gate.safetensors")


def pairs(folder: Path, count: int) -> Pairs:
    """Pairs of `count` training captions, a third each with one, two and three objects, in the demo's settings."""
    models = DemoModels(folder)
    teacher = models.settings["teacher"]
    scenes, seeds = captions_for(count, SEED)
    captions = [scene.caption for scene in scenes]
    parts = [slice(start, start + BATCH) for start in range(0, count, BATCH)]
    drawn = [models.draw("refine", captions[part], seeds[part], teacher["steps"], teacher["cfg"]) for part in parts]
    scores = [result.decision.scores for result in drawn]
    return Pairs.drawn(
        GATE.stem,
        captions,
        seeds,
        numpy.concatenate([each.values for each in scores]),
        numpy.concatenate([each.features for each in scores]),
        numpy.concatenate([models.scores(result) for result in drawn]).astype(float),
        None,
        about(models, count),
    )


def about(models: DemoModels, count: int) -> About:
    """What the pairs are of. The estimator says which image is better; no grader is asked."""
    student, teacher, size = models.settings["student"], models.settings["teacher"], models.settings["size"]
    drawing = ("refine", teacher["steps"], teacher["cfg"], "unipc_diffusers", "uniform")
    return About(
        Judge.of(models.judge),
        models.judge.feature_names,
        Student("student", student["steps"], student["cfg"], "lcm", "lcm", size, size),
        Teacher("teacher", *drawing, teacher["rollback"], teacher["rollback_scale"]),
        prompts={"name": "demo grammar, training captions", "count": count},
    )


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--models", type=Path, default=DEMO_MODELS)
    options.add_argument("--count", type=int, default=COUNT)
    chosen = options.parse_args()
    gate = fit(pairs(chosen.models, chosen.count))
    gate.save(GATE)
    print(f"{GATE}: {gate.count} pairs, {gate.improved.sum()} improved, AUC {gate.auc.value:.3f}")
