"""A threshold that follows the scores it meets, so that the share it rejects stays at k when the prompts change.

Online quantile tracking with error integration (Angelopoulos, Candes and Tibshirani, Conformal PID Control for Time
Series Prediction, arXiv 2307.16895). What is tracked is the percentile of the latest WINDOW scores, so that nothing
depends on their scale. The integral moves its level with the errors, as adaptive conformal inference does (Gibbs and
Candes, arXiv 2106.00170): by a point for every REPAY / 100 images that too many or too few were rejected, beyond the
first STRAY, which chance or a shift brings about and which are left alone. So whatever the scores are, the images
rejected are at most STRAY + REPAY, and those of one run, away from those asked for.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from .percentiles import PercentileTable

WINDOW = 150
STRAY, REPAY = 100, 500
# Has no divisor in common with WINDOW.
_STRIDE = 91
# How far neighbours count, as a share of the way to the nearer end. Wider is steadier, but off where scores are skewed.
_NEIGHBOURS = numpy.linspace(-0.25, 0.25, 25)


@dataclass(frozen=True)
class RunningThreshold:
    """The state of a tracked threshold.

    recent: (WINDOW,) the latest scores, oldest first. rejected, asked: images rejected so far, and images to reject.
    """

    recent: tuple[float, ...]
    rejected: int = 0
    asked: float = 0.0

    @classmethod
    def start(cls, table: PercentileTable) -> "RunningThreshold":
        """As if the latest scores had been spread like those of `table`, and had come in no order."""
        shares = [100 * (1 + i * _STRIDE % WINDOW) / (WINDOW + 1) for i in range(WINDOW)]
        if table.scores:
            return cls(tuple(numpy.percentile(table.scores, shares).tolist()))
        knots = sorted(table.percentiles)
        return cls(tuple(numpy.interp(shares, knots, [table.percentiles[k] for k in knots]).tolist()))

    def judge(self, scores: Sequence[float], k: float) -> tuple[float, "RunningThreshold"]:
        """The threshold for one run's `scores` at the percentile k, and the state after them.

        The run's own scores enter first, then one threshold judges them all: their order does not matter, and a run of
        many images is judged by what it shows itself. k: 0 accepts all, 100 rejects all, as in PercentileTable.
        """
        latest = (*self.recent, *scores)[-max(WINDOW, len(scores)) :]
        threshold = _percentile(latest, k / 100 - self._owed() / REPAY)
        if k in (0, 100):
            threshold = math.inf if k else -math.inf
        rejected = sum(score < threshold for score in scores)
        asked = len(scores) * k / 100
        return threshold, RunningThreshold(latest[-WINDOW:], self.rejected + rejected, self.asked + asked)

    def _owed(self) -> float:
        """Images rejected beyond those asked for and STRAY more; negative where too few were."""
        excess = self.rejected - self.asked
        return excess - min(max(excess, -STRAY), STRAY)


def _percentile(scores: Sequence[float], level: float) -> float:
    """The mean of the `scores` ranked around `level`: steadier than one of them alone (Parzen 1979).

    A new score lies below the i-th smallest of n with probability i / (n + 1). From level 0 down all of the scores lie
    above the result, from level 1 up all lie below.
    """
    ordered = sorted(scores)
    spread = ordered[-1] - ordered[0] or 1.0
    knots = [ordered[0] - spread, *ordered, ordered[-1] + spread]
    levels = level + min(level, 1 - level) * _NEIGHBOURS
    return float(numpy.interp(levels * (len(knots) - 1), numpy.arange(len(knots)), knots).mean())
