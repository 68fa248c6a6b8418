"""The percentile tables and learned gates as the frontend draws them."""

from typing import Any

from ...adaptive_diffusion.gate.outline import outline
from ...adaptive_diffusion.gate.pairs import Pairs
from ...adaptive_diffusion.gate.percentiles import PercentileTable
from .tables import gauges, outline_of


def outlines() -> dict[str, Any]:
    """The outline of every table and gate that can be read, by name."""
    drawn = {name: outline_of(path) for name, path in gauges().items()}
    return {name: found for name, found in drawn.items() if found}


def about_pairs(pairs: Pairs) -> dict[str, Any]:
    """What a node shows of pairs: how the scores of the student's images are distributed."""
    made = pairs.about
    return about(PercentileTable.from_scores(pairs.name, pairs.scores.tolist(), made.estimator.settings, made.student))


def about(table: PercentileTable) -> dict[str, Any]:
    """What a node shows of a table that it made."""
    knots = list(table.percentiles.items())
    return {"name": table.name, "count": len(table.scores), "percentiles": knots, "outline": outline(table)}
