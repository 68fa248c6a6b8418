"""Means and win rates, and how sure they are: 95 % intervals throughout."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from scipy import stats

COVERAGE = 0.95


@dataclass(frozen=True)
class Interval:
    """A value and between what it lies; NaN where nothing is known."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Duel:
    """How often the first of two scored higher. share: its wins among the decided, Wilson's interval.

    p: of so uneven a result among the decided if both were equal, exact and two-sided (the sign test).
    """

    wins: int
    ties: int
    losses: int
    share: Interval
    p: float


def mean(values: Sequence[float]) -> Interval:
    """The mean of independent values (N,): Wilson's interval where each is 0 or 1, else Student's t."""
    if {*values} <= {0.0, 1.0}:
        return share(round(sum(values)), len(values))
    middle = float(numpy.mean(values))
    if len(values) == 1:
        return Interval(middle, math.nan, math.nan)
    low, high = stats.t.interval(COVERAGE, len(values) - 1, middle, stats.sem(values))
    return Interval(middle, float(low), float(high))


def share(count: int, total: int) -> Interval:
    """`count` of `total` as a share, with Wilson's interval (1927, doi 10.1080/01621459.1927.10502953)."""
    if not total:
        return Interval(math.nan, math.nan, math.nan)
    low, high = stats.binomtest(count, total).proportion_ci(COVERAGE, "wilson")
    return Interval(count / total, float(low), float(high))


def duel(first: Sequence[float], second: Sequence[float]) -> Duel:
    """Two scores of each image's pair, (N,) both; equal scores are ties."""
    difference = numpy.subtract(first, second)
    wins, losses = int((difference > 0).sum()), int((difference < 0).sum())
    decided = wins + losses
    p = stats.binomtest(wins, decided).pvalue if decided else 1.0
    return Duel(wins, len(difference) - decided, losses, share(wins, decided), float(p))
