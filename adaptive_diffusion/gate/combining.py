"""Scores of several estimators as one: percentiles are added, and the costly are asked only where it matters."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy

Percentiles = Callable[[int, list[int]], numpy.ndarray]


class Combined(NamedTuple):
    """scores: (B,) of 0..100. asked: for each estimator the images that it was asked about, in order."""

    scores: numpy.ndarray
    asked: tuple[list[int], ...]


def combine(count: int, weights: Sequence[float], low: float, high: float, percentiles: Percentiles) -> Combined:
    """The mean percentile, by weight, of each of `count` images; an image that is clearly bad or good is left early.

    percentiles: given an estimator's number and images, gives that estimator's percentiles of these. The first is asked
    about all images, each other about those whose mean so far lies from `low` to `high`. Whoever reaches the last is
    placed between `low` and `high` by the mean of all, so that every such image ranks above those left below, and
    under those left above.
    """
    sums, scores = numpy.zeros(count), numpy.zeros(count)
    waiting, asked = list(range(count)), []
    for number, weight in enumerate(weights):
        if number:
            waiting = [i for i in waiting if low <= scores[i] <= high]
        if waiting:
            sums[waiting] += weight * percentiles(number, waiting)
            scores[waiting] = sums[waiting] / sum(weights[: number + 1])
        asked.append(waiting)
    scores[waiting] = low + (high - low) * scores[waiting] / 100
    return Combined(scores, tuple(asked))
