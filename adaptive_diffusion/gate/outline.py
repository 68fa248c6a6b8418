"""A percentile table or a learned gate in the few numbers that it takes to draw it."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy

from .confidence import shares_at, threshold_intervals
from .gauge import Gauge, table_of
from .learned import LearnedGate
from .percentiles import PercentileTable

DIGITS = 6


def outline(gauge: Gauge) -> dict[str, Any]:
    """JSON-ready: that of a table's scores; of a learned gate the same of its risks, by the percentage of them below,
    so that the worst k percent lie above the entry 100 - k, and `risk` to tell that.
    """
    if not isinstance(gauge, LearnedGate):
        return _of_scores(gauge)
    drawn = _of_scores(table_of(gauge, ""))
    back = {part: _turned(drawn[of]) for part, of in (("scores", "scores"), ("low", "high"), ("high", "low"))}
    return {**drawn, **back, "risk": True}


def _of_scores(table: PercentileTable) -> dict[str, Any]:
    """Percentages `k` and the `scores` there; of a table of raw scores also their `count`, and the 95 % interval of
    each score from `low` to `high`, None where the scores cannot tell. Where scores are equal, also the `share` in
    percent that each k rejects.
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


def _turned(values: Sequence[float | None]) -> list[float | None]:
    return [None if value is None else 0.0 - value for value in reversed(values)]


def _told(scores: Iterable[float]) -> list[float | None]:
    return [float(f"{score:.{DIGITS}g}") if math.isfinite(score) else None for score in scores]
