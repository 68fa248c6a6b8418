"""Plots as small PNG files, by matplotlib (extra `bench`)."""

from pathlib import Path
from typing import Any


def figure(title: str, across: str, up: str) -> tuple[Any, Any]:
    """A new figure and its axes; SystemExit where matplotlib is missing."""
    try:
        import matplotlib
    except ImportError:
        raise SystemExit("a plot needs matplotlib: pip install -e '.[bench]'") from None
    matplotlib.use("Agg")
    import matplotlib.pyplot as pyplot

    drawn, axes = pyplot.subplots(figsize=(7, 4.2), layout="constrained")
    axes.set(title=title, xlabel=across, ylabel=up)
    axes.grid(alpha=0.3)
    return drawn, axes


def save(drawn: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn.savefig(path, dpi=100)
