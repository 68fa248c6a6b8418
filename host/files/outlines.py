"""The percentile tables as the frontend draws them."""

import functools
from pathlib import Path
from typing import Any

from ...adaptive_diffusion.gate.outline import outline
from ...adaptive_diffusion.gate.percentiles import PercentileTable
from .tables import tables


def outlines() -> dict[str, Any]:
    """The outline of every table that can be read, by name."""
    drawn = {name: _outline(path) for name, path in tables().items()}
    return {name: found for name, found in drawn.items() if found}


def about(table: PercentileTable) -> dict[str, Any]:
    """What a node shows of a table that it made."""
    knots = list(table.percentiles.items())
    return {"name": table.name, "count": len(table.scores), "percentiles": knots, "outline": outline(table)}


def _outline(path: Path) -> dict[str, Any] | None:
    try:
        return _of_file(path, path.stat().st_mtime_ns)
    except (OSError, ValueError):
        return None


@functools.lru_cache(maxsize=256)
def _of_file(path: Path, changed: int) -> dict[str, Any]:
    return outline(PercentileTable.load(path))
