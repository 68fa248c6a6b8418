"""Means and win rates, and how sure they are: 95 % intervals throughout."""

import math
from collections.abc import Hashable, Sequence
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
    return clustered(values, range(len(values)), [0] * len(values))


def clustered(
    values: Sequence[float] | numpy.ndarray,
    clusters: Sequence[Hashable],
    strata: Sequence[Hashable],
    coverage: float = COVERAGE,
) -> Interval:
    """The mean of values (N,), those of a cluster counted as one observation, each stratum sampled by itself.

    clusters, strata: which each value belongs to. The cluster-robust standard error of a stratified mean (Cochran,
    Sampling Techniques, 1977, chapters 5 and 9), and Student's t with the fewest clusters of a stratum less one; one
    cluster alone tells no interval.
    """
    found, variance, fewest = numpy.asarray(values), 0.0, math.inf
    for stratum in set(strata):
        inside = numpy.array([one == stratum for one in strata])
        numbers = _numbered([cluster for cluster, here in zip(clusters, inside, strict=True) if here])
        sums = numpy.bincount(numbers, found[inside] - found[inside].mean())
        fewest = min(fewest, len(sums))
        variance += numpy.square(sums).sum() * len(sums) / max(len(sums) - 1, 1) / len(found) ** 2
    middle, half = float(found.mean()), float(stats.t.ppf((1 + coverage) / 2, fewest - 1) * variance**0.5)
    return Interval(middle, middle - half, middle + half)


def _numbered(things: Sequence[Hashable]) -> list[int]:
    """Equal things by one number, counted from 0."""
    numbers = {thing: number for number, thing in enumerate(dict.fromkeys(things))}
    return [numbers[thing] for thing in things]


def share(count: int, total: int) -> Interval:
    """`count` of `total` as a share, with Wilson's interval (1927, doi 10.1080/01621459.1927.10502953)."""
    if not total:
        return Interval(math.nan, math.nan, math.nan)
    low, high = stats.binomtest(count, total).proportion_ci(COVERAGE, "wilson")
    return Interval(count / total, float(low), float(high))


def spelled(interval: Interval) -> str:
    """A value and both ends of its interval."""
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def told(interval: Interval, sign: str = "") -> str:
    """A mean and half its interval; sign: "+" to show that of the mean in any case."""
    return f"{interval.value:{sign}.3f} ± {interval.high - interval.value:.3f}"


def duel(first: Sequence[float], second: Sequence[float]) -> Duel:
    """Two scores of each image's pair, (N,) both; equal scores are ties."""
    difference = numpy.subtract(first, second)
    wins, losses = int((difference > 0).sum()), int((difference < 0).sum())
    decided = wins + losses
    p = stats.binomtest(wins, decided).pvalue if decided else 1.0
    return Duel(wins, len(difference) - decided, losses, share(wins, decided), float(p))
