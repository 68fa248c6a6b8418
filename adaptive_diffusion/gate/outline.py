"""A percentile table in the few numbers that it takes to draw it."""

import math
from collections.abc import Iterable
from typing import Any

import numpy

from .confidence import shares_at, threshold_intervals
from .percentiles import PercentileTable

DIGITS = 6


def outline(table: PercentileTable) -> dict[str, Any]:
    """JSON-ready: percentages `k` and the `scores` there; of a table of raw scores also their `count`, and the 95 %
    interval of each score from `low` to `high`, None where the scores cannot tell. Where scores are equal, also the
    `share` in percent that each k rejects.
    """
    if not table.scores:
        ks = sorted(table.percentiles)
        return {"k": ks, "scores": _told(table.percentiles[k] for k in ks)}
    ordered, inside = numpy.array(table.scores), range(1, 100)
    lows, highs = zip(*threshold_intervals(ordered, inside), strict=True)
    drawn = {
        "k": [0, *inside, 100],
        "scores": _told(numpy.percentile(ordered, [0, *inside, 100])),
        "count": len(ordered),
        "low": [None, *_told(lows), None],
        "high": [None, *_told(highs), None],
    }
    if (ordered[1:] > ordered[:-1]).all():
        return drawn
    return {**drawn, "share": [0, *_told(shares_at(ordered, k)[0] for k in inside), 100]}


def _told(scores: Iterable[float]) -> list[float | None]:
    return [float(f"{score:.{DIGITS}g}") if math.isfinite(score) else None for score in scores]
