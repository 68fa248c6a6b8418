"""A promise: of the images that are kept, at most a % would have been improved, 95 % sure.

Learn then test (Angelopoulos et al., arXiv 2110.01052): that a threshold keeps a larger share of such images is a
hypothesis, rejected by the exact binomial test on pairs that were left out of the fit. Thresholds are tested upwards
from the one where the gate's own risks say that the test is the likeliest to succeed; the last before a failure is
taken.

The left out pairs' risks come from several fits, each without the pair's prompt, and the gate is the fit to all. That
the test errs as seldom as it says even so rests on how little one fit differs from another (Bayle et al., arXiv
2007.12671), and was measured: docs/results.md.
"""

import math
from dataclasses import dataclass

import numpy
from scipy.stats import binom, norm

from ..comparison import COVERAGE

LEVELS = 50
POWER = 0.8


@dataclass(frozen=True)
class Promise:
    """What can be said of the images that a threshold keeps; as text, one sentence.

    most: the share of them that would have been improved, at most, in percent. threshold: the risk above which images
    go to the teacher; -inf where all do, because the pairs carry no more. sent: the pairs' share above it, in percent.
    held: the share of improved ones among the pairs that are kept, in percent; NaN where none is.
    possible: the least share that these pairs could promise while they keep some, in percent; 100 where there is none.
    more_pairs: about how many more it takes for `most`; 0 where it is kept, None where no number will do.
    pairs: how many there are.
    """

    most: float
    threshold: float
    sent: float
    held: float
    possible: float
    more_pairs: int | None
    pairs: int

    @property
    def kept(self) -> bool:
        """Whether the pairs carry the promise for any image at all."""
        return self.threshold > -math.inf

    def __str__(self) -> str:
        if self.kept:
            return (
                f"of the images you keep, at most {self.most:g} % would have been improved: {COVERAGE:.0%} sure, for "
                f"prompts like those of the gate's {self.pairs} pairs, of which it sends {self.sent:.0f} % to the "
                "teacher"
            )
        least = f"the least is {self.possible:g} %" if self.possible < 100 else "nor any other share"
        more = "no number of pairs would" if self.more_pairs is None else f"it takes about {self.more_pairs} more"
        return f"{self.pairs} pairs cannot promise {self.most:g} %, {least}, and {more}: all images go to the teacher"


def promise(risks: numpy.ndarray, improved: numpy.ndarray, most: float) -> Promise:
    """The threshold that keeps as many as can be promised.

    risks (N,): ascending, of independent pairs that were left out of the fit; improved (N,): booleans. most: in
    percent, above 0, below 100. ValueError for another.
    """
    if not 0 < most < 100:
        raise ValueError(f"the promise is {most:g} %; choose a share above 0 and below 100")
    kept = _levels(risks)
    missed, expected = (numpy.cumsum(values)[kept - 1] for values in (improved, risks))
    last = _last(kept, missed, expected, most / 100)
    if last is not None:
        count = int(kept[last])
        sent, held = (100 * float(share) for share in (1 - count / len(risks), missed[last] / count))
        return Promise(most, float(risks[count - 1]), sent, held, most, 0, len(risks))
    shares = numpy.arange(math.floor(most * 10) + 1, 1000) / 10
    possible = next((float(one) for one in shares if _last(kept, missed, expected, one / 100) is not None), 100.0)
    more = _more_pairs(kept, expected, most / 100)
    return Promise(most, -math.inf, 100.0, math.nan, possible, more, len(risks))


def _levels(risks: numpy.ndarray) -> numpy.ndarray:
    """How many pairs are kept at each of LEVELS thresholds, ascending; equal risks are kept together."""
    counts = numpy.ceil(numpy.arange(1, LEVELS + 1) * len(risks) / LEVELS).astype(int)
    return numpy.unique(numpy.searchsorted(risks, risks[counts - 1], "right"))


def _last(kept: numpy.ndarray, missed: numpy.ndarray, expected: numpy.ndarray, most: float) -> int | None:
    """The last level (of `kept`, ascending) for which the promise stands; None where the first does not stand the test.

    missed: how many of those kept at each level would have been improved; expected: how many the gate itself expects.
    """
    passing = binom.ppf(1 - COVERAGE, kept, most)
    passing -= binom.cdf(passing, kept, most) > 1 - COVERAGE
    chance = binom.cdf(passing, kept, numpy.minimum(expected / kept, 1))
    first = int(numpy.argmax(chance))
    failing = numpy.flatnonzero(missed[first:] > passing[first:])
    stands = len(kept) - first if not len(failing) else int(failing[0])
    return first + stands - 1 if stands and chance[first] > 0 else None


def _more_pairs(kept: numpy.ndarray, expected: numpy.ndarray, most: float) -> int | None:
    """About how many more pairs it takes until the test succeeds with a probability of POWER, at the best level.

    By the normal approximation, if as many are missed as the gate expects; None where that is too many at any level.
    """
    total, share = int(kept[-1]), expected / kept
    good = share < most
    if not good.any():
        return None
    spread = norm.ppf(COVERAGE) * (most * (1 - most)) ** 0.5
    spread = spread + norm.ppf(POWER) * numpy.sqrt(share[good] * (1 - share[good]))
    fewest = math.log(1 - COVERAGE) / math.log1p(-most)
    needed = numpy.maximum(numpy.square(spread / (most - share[good])), fewest) * total / kept[good]
    return max(math.ceil(needed.min()) - total, total // 4)
