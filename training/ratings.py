"""Images of the demo models, rated by the oracle, and how well an estimator agrees with that rater."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy
import torch

from adaptive_diffusion.files import replacing
from adaptive_diffusion.standalone.oracle import ExactJudge

from .evaluate import area_under_curve
from .pictures import Pictures, rated
from .sampling import DemoModels, captions_for

STUDENT_STEPS = (1, 2)
RESAMPLES = 1000


@dataclass(frozen=True)
class Source:
    """What draws rated images: `model` is "student" or "teacher"."""

    model: str
    steps: int
    cfg: float
    count: int


def student(models: Path, count: int) -> Source:
    """The student as the demo runs it."""
    settings = json.loads((models / "settings.json").read_text())["student"]
    return Source("student", settings["steps"], settings["cfg"], count)


def student_otherwise(models: Path, count: int) -> Source:
    """The student with the number of steps that the demo does not use."""
    usual = student(models, count)
    return replace(usual, steps=next(steps for steps in STUDENT_STEPS if steps != usual.steps))


def teacher(models: Path, count: int) -> Source:
    """The teacher as the demo runs it, but from noise."""
    settings = json.loads((models / "settings.json").read_text())["teacher"]
    return Source("teacher", settings["steps"], settings["cfg"], count)


def samples(source: Source, models: Path, seed: int, cache: Path, part: str = "training") -> Pictures:
    """Rated images for captions and seeds of `part`; drawn once, then kept in `cache`."""
    scenes, seeds = captions_for(source.count, seed, part)
    path = cache / f"{source.model}-{source.steps}-{source.count}-{seed}.pt"
    if not path.exists():
        drawn = _draw(source, DemoModels(models, ExactJudge()), [scene.caption for scene in scenes], seeds)
        with replacing(path) as beside:
            torch.save(drawn, beside)
    return rated(torch.load(path, weights_only=True), scenes)


def _draw(source: Source, models: DemoModels, captions: list[str], seeds: list[int]) -> torch.Tensor:
    """(N, 3, 64, 64) uint8; the judge plays no part, so that there need not be an estimator yet."""
    drawer = "student" if source.model == "student" else "ddim"
    pixels = models.draw(drawer, captions, seeds, source.steps, source.cfg).pixels
    return (pixels * 255).round().byte().movedim(-1, 1)


def agreement(scores: torch.Tensor, pictures: Pictures) -> str:
    """AUC of scores (N,) against the oracle's verdicts: over all, within each number of objects, and of that number."""
    values, right = scores.numpy(), pictures.right.numpy()
    objects = numpy.array([len(scene.objects) for scene in pictures.asked])
    low, high = interval(values, right)
    within = ", ".join(f"{n}: {area_under_curve(values[objects == n], right[objects == n]):.3f}" for n in (1, 2, 3))
    return (
        f"N {len(right)}, right {right.mean():.3f}, AUC {area_under_curve(values, right):.3f} [{low:.3f}, {high:.3f}], "
        f"by objects {within}; the number of objects alone {area_under_curve(-objects, right):.3f}"
    )


def interval(scores: numpy.ndarray, right: numpy.ndarray) -> tuple[float, float]:
    """95 % bootstrap interval of the AUC."""
    rows = numpy.random.default_rng(0).integers(0, len(scores), (RESAMPLES, len(scores)))
    low, high = numpy.percentile([area_under_curve(scores[row], right[row]) for row in rows], (2.5, 97.5))
    return float(low), float(high)
