"""A percentile table in the few numbers that it takes to draw it."""

import math
from collections.abc import Iterable
from typing import Any

import numpy

from .confidence import threshold_intervals
from .percentiles import PercentileTable

DIGITS = 6


def outline(table: PercentileTable) -> dict[str, Any]:
    """JSON-ready: percentages `k` and the `scores` there; of a table of raw scores also their `count`, and the 95 %
    interval of each score from `low` to `high`, None where the scores cannot tell.
    """
    if not table.scores:
        ks = sorted(table.percentiles)
        return {"k": ks, "scores": _told(table.percentiles[k] for k in ks)}
    inside = range(1, 100)
    lows, highs = zip(*threshold_intervals(table.scores, inside), strict=True)
    return {
        "k": [0, *inside, 100],
        "scores": _told(numpy.percentile(table.scores, [0, *inside, 100])),
        "count": len(table.scores),
        "low": [None, *_told(lows), None],
        "high": [None, *_told(highs), None],
    }


def _told(scores: Iterable[float]) -> list[float | None]:
    return [float(f"{score:.{DIGITS}g}") if math.isfinite(score) else None for score in scores]
