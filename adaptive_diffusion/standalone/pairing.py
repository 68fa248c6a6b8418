"""Pairs of a student's and a teacher's image, drawn with diffusers' pipelines and scored."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy

from ..gate.calibration import Found
from ..gate.pairing import PairTask
from ..prompts import prompt_seeds
from .evaluation import Judge
from .pipeline import AdaptiveDiffusionPipeline


def draw_pairs(
    pipeline: AdaptiveDiffusionPipeline,
    task: PairTask,
    settings: Mapping[str, Any],
    judge: Judge | None,
    starts: Sequence[int],
) -> Iterator[Found]:
    """What is found of the batches that begin with these prompts, one batch after the other; see PairTask.

    settings: what else the pipeline is called with. judge: a second one, or None.
    """
    seeds = prompt_seeds(task.seed, len(task.prompts))
    for first in starts:
        rows = slice(first, first + task.batch)
        prompts = list(task.prompts[rows])
        result = pipeline(prompts, seed=seeds[rows], batch_size=task.batch, **{**settings, "k": 100})
        scores = result.decision.scores
        found: dict[str, Any] = {
            "scores": scores.values,
            "features": scores.features,
            "teacher_scores": pipeline.estimator.score(result.pixels, prompts).tolist(),
        }
        if judge:
            both = [judge.score(pixels, prompts).tolist() for pixels in (result.student_pixels, result.pixels)]
            found["judged"] = numpy.array(both, float).T
        yield first, found
