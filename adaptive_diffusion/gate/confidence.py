"""How sure a table's threshold is, given how many scores it was made of.

The share of new scores below the r-th smallest of n is Beta(r, n + 1 - r) distributed, whatever the scores'
distribution, as long as they are independent and ties are rare (David and Nagaraja, Order Statistics, 3rd ed.,
section 2.1). numpy.percentile takes r = 1 + (n - 1) k / 100, between two scores where r is not whole; the Beta
distribution holds there too, closely (Stigler 1977; Hutson 1999, doi 10.1080/02664769922458).
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from scipy.optimize import brentq
from scipy.special import betainc, betaincinv

COVERAGE = 0.95
_TAIL = (1 - COVERAGE) / 2


@dataclass(frozen=True)
class Confidence:
    """How sure the k-th percentile of `count` scores is.

    threshold: interval for it; an end that the scores cannot tell is infinite.
    rejected: interval for the share of new images below it, in percent.
    prompts_to_halve: how many scores more make the second half as wide.
    """

    count: int
    threshold: tuple[float, float]
    rejected: tuple[float, float]
    prompts_to_halve: int

    def __str__(self) -> str:
        return (
            f"from {self.count} scores: {COVERAGE:.0%} sure that it belongs between {self.threshold[0]:.3f} and "
            f"{self.threshold[1]:.3f}, and that {self.rejected[0]:.1f} to {self.rejected[1]:.1f} % of new images "
            f"will be rejected; {self.prompts_to_halve} more prompts would halve that"
        )


def confidence(scores: Sequence[float], k: float) -> Confidence:
    """How sure the k-th percentile (0..100) of independent `scores`, at least 1, is."""
    n = len(scores)
    return Confidence(n, threshold_interval(scores, k), rejection_interval(n, k), prompts_to_halve(n, k))


def rejection_interval(n: int, k: float) -> tuple[float, float]:
    """Between which shares, in percent, new scores will fall below the k-th percentile of n scores: 95 % sure.

    n: independent scores in the table, at least 1. k: 0..100; at 0 and 100 the share is k exactly.
    """
    _check(n, k)
    if k in (0, 100):
        return (k, k)
    rank = 1 + (n - 1) * k / 100
    low, high = 100 * betaincinv(rank, n + 1 - rank, (_TAIL, 1 - _TAIL))
    return (float(low), float(high))


def threshold_interval(scores: Sequence[float], k: float) -> tuple[float, float]:
    """Between which scores the threshold of endlessly many scores lies: 95 % sure (Hutson 1999, equation 3).

    scores: (n,) independent scores, in any order, at least 1. k: 0..100. An end the scores cannot tell is infinite.
    """
    return threshold_intervals(scores, [k])[0]


def threshold_intervals(scores: Sequence[float], ks: Sequence[float]) -> list[tuple[float, float]]:
    """`threshold_interval` at each of `ks`; the scores are sorted once."""
    ordered = numpy.sort(scores)
    return [_interval(ordered, k) for k in ks]


def _interval(ordered: numpy.ndarray, k: float) -> tuple[float, float]:
    n = len(ordered)
    _check(n, k)
    if k in (0, 100):
        return (math.inf, math.inf) if k else (-math.inf, -math.inf)
    low, high = _safe_rank(n, k), n + 1 - _safe_rank(n, 100 - k)
    return (
        _at_rank(ordered, low) if low >= 1 else -math.inf,
        _at_rank(ordered, high) if high <= n else math.inf,
    )


def _at_rank(ordered: numpy.ndarray, rank: float) -> float:
    """The score of a rank from 1 to n, between two scores where it is not whole."""
    below = min(int(rank), max(1, len(ordered) - 1))
    return float(numpy.interp(rank, (below, below + 1), ordered[[below - 1, min(below, len(ordered) - 1)]]))


def prompts_to_halve(n: int, k: float) -> int:
    """How many scores beside the n at hand make `rejection_interval` half as wide: about 3 n; 0 at k = 0 and 100."""
    goal = _width(n, k) / 2
    most = n
    while _width(most, k) > goal:
        most *= 2
    return bisect_left(range(n, most), True, key=lambda size: _width(size, k) <= goal)


def _width(n: int, k: float) -> float:
    low, high = rejection_interval(n, k)
    return high - low


def _safe_rank(n: int, k: float) -> float:
    """The highest rank, whole or not, whose score lies under the true threshold often enough; below 1 if none does."""

    def spare(rank: float) -> float:
        return float(betainc(rank, n + 1 - rank, k / 100)) - (1 - _TAIL)

    if spare(1) < 0:
        return 0.0
    return float(brentq(spare, 1, n)) if spare(n) < 0 else float(n)


def _check(n: int, k: float) -> None:
    if n < 1:
        raise ValueError(f"the table holds {n} scores; score at least one image")
    if not 0 <= k <= 100:
        raise ValueError(f"k is {k:g}; choose a percentage from 0 to 100")
