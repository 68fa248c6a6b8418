"""How sure a table's threshold is, given how many scores it was made of.

Without ties. The share of new scores below the r-th smallest of n is Beta(r, n + 1 - r) distributed, whatever the
scores' distribution, as long as they are independent (David and Nagaraja, Order Statistics, 3rd ed., section 2.1).
numpy.percentile takes r = 1 + (n - 1) k / 100, between two scores where r is not whole; the Beta distribution holds
there too, closely (Stigler 1977; Hutson 1999, doi 10.1080/02664769922458).

With ties (whole-number ratings). What equals the threshold is kept, so that the rejected share is P(S < threshold),
which may lie far below k. Where c of n scores lie under the threshold, it lies between the shares of the c-th and the
(c + 1)-th of n uniform numbers, since each score is a monotone function of such a number: Beta(c, n + 1 - c) and
Beta(c + 1, n - c) bound it, which are the exact binomial bounds of c in n (Clopper and Pearson 1934, Biometrika 26,
404-413, doi 10.1093/biomet/26.4.404).
Which score becomes the threshold is chance as well, and the bounds of two may err: the lower one's on both sides, and
the upper one's where it becomes the threshold by falling short. So each of the three tails has a third of 5 %. Order
statistics as ends of an interval for the threshold itself hold with ties too, if they are not interpolated (Scheffe
and Tukey 1945, Annals of Mathematical Statistics 16, 187-192).
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy
from scipy.optimize import brentq
from scipy.special import betainc, betaincinv

from ..comparison import COVERAGE

Scores = Sequence[float] | numpy.ndarray
_TAIL = (1 - COVERAGE) / 2
_TAIL_OF_THREE = (1 - COVERAGE) / 3
_MORE = {"scores": "prompts", "pairs": "pairs"}


@dataclass(frozen=True)
class Confidence:
    """How sure the k-th percentile of `count` scores is.

    threshold: interval for it; an end that the scores cannot tell is infinite.
    rejected: interval for the share of new images below it, in percent.
    prompts_to_halve: how many scores more make the second half as wide.
    reachable: where equal scores keep that share from being k, the two nearest shares of the table's scores that a
    threshold can reject, in percent; else empty.
    counted: what the count is of: scores, or the pairs of a learned gate, whose threshold is a risk.
    """

    count: int
    threshold: tuple[float, float]
    rejected: tuple[float, float]
    prompts_to_halve: int
    reachable: tuple[float, ...] = ()
    counted: str = "scores"

    def __str__(self) -> str:
        return (
            f"from {self.count} {self.counted}: {COVERAGE:.0%} sure that it belongs between {self.threshold[0]:.3f} "
            f"and {self.threshold[1]:.3f}, and that {self.rejected[0]:.1f} to {self.rejected[1]:.1f} % of new images "
            f"will be rejected; {self.prompts_to_halve} more {_MORE[self.counted]} would halve that"
        )


def confidence(scores: Scores, k: float) -> Confidence:
    """How sure the k-th percentile (0..100) of independent `scores`, at least 1, is."""
    n = len(scores)
    _check(n, k)
    ordered = numpy.sort(scores)
    rejected = share_interval(ordered, k)
    threshold = threshold_interval(ordered, k)
    if not _ties_matter(ordered, k):
        return Confidence(n, threshold, rejected, prompts_to_halve(n, k))
    below = shares_at(ordered, k)[0]
    more = _prompts_to_halve(n, lambda size: _tied_interval(size, below))
    return Confidence(n, threshold, rejected, more, reachable(ordered, k))


def share_interval(scores: Scores, k: float) -> tuple[float, float]:
    """Between which shares, in percent, new scores will fall below the k-th percentile of `scores`: 95 % sure.

    scores: (n,) ascending and independent, at least 1; some may be equal. k: 0..100.
    """
    ordered = numpy.asarray(scores)
    if _ties_matter(ordered, k):
        return _tied_interval(len(ordered), shares_at(ordered, k)[0])
    return rejection_interval(len(ordered), k)


def reachable(scores: Scores, k: float) -> tuple[float, ...]:
    """`shares_at` where equal scores keep k out of the `share_interval`, which takes the same; else ()."""
    low, high = share_interval(scores, k)
    return () if low <= k <= high else shares_at(scores, k)


def shares_at(scores: Scores, k: float) -> tuple[float, float]:
    """The share of `scores` under their k-th percentile, and the next larger share that a threshold has under it.

    scores: (n,) ascending, at least 1. k: above 0, below 100. Both in percent.
    """
    ordered = numpy.asarray(scores)
    below = int(numpy.searchsorted(ordered, numpy.percentile(ordered, k)))
    next_below = int(numpy.searchsorted(ordered, ordered[below], "right"))
    return (100 * below / len(ordered), 100 * next_below / len(ordered))


def shares_beside(scores: Scores, k: float) -> tuple[float, ...]:
    """`shares_at`, where equal scores keep some over the threshold that would lie under it if all differed; else ()."""
    below, next_below = shares_at(scores, k)
    apart = math.ceil(round(_rank(len(scores), k), 9)) - 1
    return (below, next_below) if round(below * len(scores) / 100) < apart else ()


def unreachable(k: float, shares: Sequence[float]) -> str:
    """A sentence on why k cannot be had, and what can. shares: under the threshold at k, and the next larger one."""
    below, next_below = shares
    return (
        f"k {k:g} cannot be had here, because many scores are equal: it rejects {below:.3g} % of the images, "
        f"and k {math.ceil(round(next_below, 6))} rejects {next_below:.3g} %"
    )


def rejection_interval(n: int, k: float) -> tuple[float, float]:
    """`share_interval` of n different scores.

    n: independent scores in the table, at least 1. k: 0..100; at 0 and 100 the share is k exactly.
    """
    _check(n, k)
    if k in (0, 100):
        return (k, k)
    rank = _rank(n, k)
    low, high = 100 * betaincinv(rank, n + 1 - rank, (_TAIL, 1 - _TAIL))
    return (float(low), float(high))


def threshold_interval(scores: Scores, k: float) -> tuple[float, float]:
    """Between which scores the threshold of endlessly many scores lies: 95 % sure (Hutson 1999, equation 3).

    scores: (n,) independent scores, in any order, at least 1. k: 0..100. An end the scores cannot tell is infinite.
    """
    return threshold_intervals(scores, [k])[0]


def threshold_intervals(scores: Scores, ks: Sequence[float]) -> list[tuple[float, float]]:
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
        _at_rank(ordered, low, math.floor) if low >= 1 else -math.inf,
        _at_rank(ordered, high, math.ceil) if high <= n else math.inf,
    )


def _at_rank(ordered: numpy.ndarray, rank: float, outwards: Callable[[float], int]) -> float:
    """The score of a rank from 1 to n: between two where each is there once, else the one that lies outwards."""
    if _tied(ordered, rank):
        return float(ordered[outwards(rank) - 1])
    below = min(int(rank), max(1, len(ordered) - 1))
    return float(numpy.interp(rank, (below, below + 1), ordered[[below - 1, min(below, len(ordered) - 1)]]))


def prompts_to_halve(n: int, k: float) -> int:
    """How many scores beside the n at hand make `rejection_interval` half as wide: about 3 n; 0 at k = 0 and 100."""
    return _prompts_to_halve(n, lambda size: rejection_interval(size, k))


def _prompts_to_halve(n: int, interval: Callable[[int], tuple[float, float]]) -> int:
    def width(size: int) -> float:
        low, high = interval(size)
        return high - low

    goal = width(n) / 2
    most = n
    while width(most) > goal:
        most *= 2
    return bisect_left(range(n, most), True, key=lambda size: width(size) <= goal)


def _tied_interval(n: int, share: float) -> tuple[float, float]:
    """`share_interval` where `share` percent of n scores lie under the threshold."""
    below = n * share / 100
    low = betaincinv(below, n + 1 - below, _TAIL_OF_THREE) if below else 0.0
    return (100 * float(low), 100 * float(betaincinv(below + 1, n - below, 1 - _TAIL_OF_THREE)))


def _rank(n: int, k: float) -> float:
    """Where numpy.percentile finds the k-th percentile of n scores: 1..n, between two where it is not whole."""
    return 1 + (n - 1) * k / 100


def _ties_matter(ordered: numpy.ndarray, k: float) -> bool:
    return 0 < k < 100 and _tied(ordered, _rank(len(ordered), k))


def _tied(ordered: numpy.ndarray, rank: float) -> bool:
    """Whether a score beside `rank` (1..n) is there more than once."""
    beside = ordered[[math.floor(rank) - 1, math.ceil(rank) - 1]]
    copies = numpy.searchsorted(ordered, beside, "right") - numpy.searchsorted(ordered, beside, "left")
    return bool((copies > 1).any())


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
