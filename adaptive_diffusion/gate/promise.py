"""A promise: of the images that are kept, at most a % would have been improved, 95 % sure.

Learn then test (Angelopoulos et al., arXiv 2110.01052): the hypothesis that a threshold keeps a larger share of such
images is rejected by the exact binomial test on pairs that were left out, thresholds in a fixed order, from the one
that keeps few to the one that keeps all, and the last before the first that is not rejected is taken.

The left out pairs' risks come from several fits, each without the pair's prompt, and the gate is the fit to all. That
the test still errs as seldom as it says is a matter of how little one fit differs from another (Bayle et al., arXiv
2007.12671), and was measured: docs/results.md.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from scipy.stats import binom

from .interval import COVERAGE

LEVELS = 50
FIRST = 0.5


@dataclass(frozen=True)
class Promise:
    """What can be said of the images that a threshold keeps.

    most: the share of them that would have been improved, at most, in percent. threshold: the risk above which images
    go to the teacher; -inf where all do, because the pairs carry no more. sent: the pairs' share above it, in percent.
    held: the share of improved ones among the pairs that are kept, in percent; NaN where none is.
    possible: the least share that these pairs can promise while they keep some, in percent; 100 where none can.
    more_pairs: about how many more it takes for `most`; 0 where it is kept, None where no number will do.
    """

    most: float
    threshold: float
    sent: float
    held: float
    possible: float
    more_pairs: int | None

    @property
    def kept(self) -> bool:
        """Whether the pairs carry the promise for any image at all."""
        return self.threshold > -math.inf


def promise(risks: numpy.ndarray, improved: numpy.ndarray, most: float) -> Promise:
    """The threshold that keeps as many as can be promised.

    risks (N,): ascending, of independent pairs that were left out of the fit; improved (N,): booleans. most: in
    percent, above 0, below 100. ValueError for another.
    """
    if not 0 < most < 100:
        raise ValueError(f"the promise is {most:g} %; choose a share above 0 and below 100")
    kept = _levels(risks)
    missed = numpy.concatenate([[0], numpy.cumsum(improved)])
    last = _last(kept, missed, numpy.cumsum(risks), most / 100)
    if last:
        return Promise(most, float(risks[last - 1]), 100 - 100 * last / len(risks), 100 * missed[last] / last, most, 0)
    possible = _possible(kept, missed, risks, most)
    return Promise(most, -math.inf, 100.0, math.nan, possible, _more_pairs(kept, missed, most / 100))


def _levels(risks: numpy.ndarray) -> list[int]:
    """How many pairs are kept at each of LEVELS thresholds, ascending; equal risks are kept together."""
    counts = numpy.ceil(numpy.arange(1, LEVELS + 1) * len(risks) / LEVELS).astype(int)
    return sorted({*numpy.searchsorted(risks, risks[counts - 1], "right").tolist()})


def _last(kept: Sequence[int], missed: numpy.ndarray, expected: numpy.ndarray, most: float) -> int:
    """How many pairs the promise keeps; 0 where not even the first threshold stands the test.

    expected (N,): the sum of risks up to each, by which the first one is chosen: where the gate itself expects FIRST of
    what is promised, but not so few that no outcome could stand it.
    """
    fewest = math.log(1 - COVERAGE) / math.log1p(-most)
    begin = [count for count in kept if count >= fewest]
    safe = [count for count in begin if expected[count - 1] <= FIRST * most * count]
    found = 0
    for count in begin[max(len(safe) - 1, 0) :]:
        if binom.cdf(missed[count], count, most) > 1 - COVERAGE:
            break
        found = count
    return found


def _possible(kept: Sequence[int], missed: numpy.ndarray, risks: numpy.ndarray, most: float) -> float:
    """The least share above `most` that keeps some, in percent, in steps of a tenth of a percent; 100 where none."""
    shares = numpy.arange(math.floor(most * 10) + 1, 1000) / 10
    expected = numpy.cumsum(risks)
    return next((float(share) for share in shares if _last(kept, missed, expected, share / 100)), 100.0)


def _more_pairs(kept: Sequence[int], missed: numpy.ndarray, most: float) -> int | None:
    """About how many more pairs it takes, if as many are missed at each level as now; None where that is too many."""
    total, needed = kept[-1], []
    for count in kept:
        share = (missed[count] + 1) / (count + 2)
        if share < most:
            needed.append(total * _fewest(share, most) / count)
    return math.ceil(min(needed) - total) if needed and min(needed) > total else (None if not needed else total)


def _fewest(share: float, most: float) -> float:
    """How many kept pairs, `share` of them missed, stand the test for `most`: by the normal law of large numbers."""
    normal = 1.6449
    return share * (1 - share) * (normal / (most - share)) ** 2 + normal**2 / (most - share)
