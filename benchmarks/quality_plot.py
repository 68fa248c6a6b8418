"""The plot of benchmarks.quality."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy

from benchmarks import plots
from benchmarks.graded import Measured
from benchmarks.ways import REFINED, STRATEGIES, STUDENT, WAYS, Way

SHARES = range(0, 101, 5)
ALONE = (
    ("teacher alone, no guidance", "ddim", 1.0),
    ("teacher alone, CFG 2", "ddim", 2.0),
    ("student alone, 1 to 8 steps", "student", 1.0),
    ("all refined, 1 to 8 steps", "refine", 2.0),
)


def plot(measured: Measured, path: Path) -> None:
    drawing, axes = plots.figure("Demo models, graded by the oracle", "UNet evaluations per image", "exact images")
    for name, improved in STRATEGIES.items():
        line(axes, measured, f"adaptive, {name}", improved, lambda k, way: measured.policy("adaptive", way, k))
    line(axes, measured, "random routing, refining", REFINED, lambda k, way: measured.policy("random", way, k))
    line(axes, measured, "perfect routing, refining", REFINED, lambda k, way: measured.policy("perfect", way, k))
    line(axes, measured, "keep the better, refining", REFINED, lambda k, way: measured.kept_better(way, k))
    for label, drawer, cfg in ALONE:
        extra = STUDENT.evaluations if drawer == "refine" else 0
        points(axes, measured, label, sorted(way for way in WAYS if (way.drawer, way.cfg) == (drawer, cfg)), extra)
    axes.set(xlim=(0, 18), ylim=(0.8, 1.0))
    axes.legend(fontsize=7)
    plots.save(drawing, path)


def line(
    axes: Any, measured: Measured, label: str, improved: Way, policy: Callable[[float, Way], numpy.ndarray]
) -> None:
    costs = [measured.cost(improved, k) for k in SHARES]
    means = [measured.interval(policy(k, improved)) for k in SHARES]
    axes.plot(costs, [one.value for one in means], label=label)
    if label == "adaptive, refining":
        axes.fill_between(costs, [one.low for one in means], [one.high for one in means], alpha=0.15)


def points(axes: Any, measured: Measured, label: str, ways: Sequence[Way], extra: int) -> None:
    means = [measured.interval(measured.drawn(way).exact).value for way in ways]
    axes.plot([way.evaluations + extra for way in ways], means, "o--", markersize=3, linewidth=0.8, label=label)
