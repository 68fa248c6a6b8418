"""How sure a table's threshold is, given how many scores it was made of.

The share of new scores below the r-th smallest of n is Beta(r, n + 1 - r) distributed, whatever the scores'
distribution, as long as they are independent and ties are rare (David and Nagaraja, Order Statistics, 3rd ed.,
section 2.1). numpy.percentile takes r = 1 + (n - 1) k / 100, between two scores where r is not whole; the Beta
distribution holds there too, closely (Stigler 1977; Hutson 1999, doi 10.1080/02664769922458).
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache

import numpy

COVERAGE = 0.95
_TAIL = (1 - COVERAGE) / 2
_CELLS = 20000
_STEPS_PER_RANK = 1000


def rejection_interval(n: int, k: float) -> tuple[float, float]:
    """Between which shares, in percent, new scores will fall below the k-th percentile of n scores: 95 % sure.

    n: independent scores in the table, at least 1. k: 0..100; at 0 and 100 the share is k exactly.
    """
    _check(n, k)
    if k in (0, 100):
        return (k, k)
    rank = 1 + (n - 1) * k / 100
    shares, below = _beta(rank, n + 1 - rank)
    low, high = numpy.interp((_TAIL, 1 - _TAIL), below, shares)
    return (100 * float(low), 100 * float(high))


def threshold_interval(scores: Sequence[float], k: float) -> tuple[float, float]:
    """Between which scores the threshold of endlessly many scores lies: 95 % sure (Hutson 1999, equation 3).

    scores: (n,) independent scores, in any order, at least 1. k: 0..100. An end the scores cannot tell is infinite.
    """
    n = len(scores)
    _check(n, k)
    if k in (0, 100):
        return (math.inf, math.inf) if k else (-math.inf, -math.inf)
    ordered, ranks = numpy.sort(scores), numpy.arange(1, n + 1)
    low, high = _safe_rank(n, k), n + 1 - _safe_rank(n, 100 - k)
    return (
        float(numpy.interp(low, ranks, ordered)) if low >= 1 else -math.inf,
        float(numpy.interp(high, ranks, ordered)) if high <= n else math.inf,
    )


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


@lru_cache(maxsize=64)
def _safe_rank(n: int, k: float) -> float:
    """The highest rank, whole or not, whose score lies under the true threshold often enough; below 1 if none does."""

    def failing(step: int) -> bool:
        rank = step / _STEPS_PER_RANK
        shares, below = _beta(rank, n + 1 - rank)
        return bool(numpy.interp(k / 100, shares, below) < 1 - _TAIL)

    first = _STEPS_PER_RANK
    return (first - 1 + bisect_left(range(first, n * _STEPS_PER_RANK + 1), True, key=failing)) / _STEPS_PER_RANK


def _beta(a: float, b: float) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Shares from 0 to 1 and the Beta(a, b) probability below each; a and b at least 1.

    Even steps in arcsin(sqrt(share)), where the distribution is as wide for every k.
    """
    edges = numpy.linspace(0, math.pi / 2, _CELLS + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    density = (2 * a - 1) * numpy.log(numpy.sin(middles)) + (2 * b - 1) * numpy.log(numpy.cos(middles))
    below = numpy.concatenate([[0.0], numpy.cumsum(numpy.exp(density - density.max()))])
    return numpy.sin(edges) ** 2, below / below[-1]


def _check(n: int, k: float) -> None:
    if n < 1:
        raise ValueError(f"the table holds {n} scores; score at least one image")
    if not 0 <= k <= 100:
        raise ValueError(f"k is {k:g}; choose a percentage from 0 to 100")
