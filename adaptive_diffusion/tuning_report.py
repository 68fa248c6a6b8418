"""What a tuning found, as a table and a chart."""

from collections.abc import Iterator, Mapping, Sequence

from .comparison import spelled
from .gate.choice import best
from .gate.routing import (
    BEST_OF_N,
    KEPT_BETTER,
    LEARNED,
    PERCENTILE,
    PERFECT,
    STUDENT_ALONE,
    TEACHER_ALONE,
    Point,
)
from .gate.tuning import Tuned
from .gate.ways import Setting
from .sheet.chart import Chart, Panel, Series

SHOWN = (10, 20, 30, 50, 75, 100)
COLOURS = {
    STUDENT_ALONE: "#57606a",
    TEACHER_ALONE: "#8250df",
    BEST_OF_N: "#bf8700",
    PERCENTILE: "#0969da",
    LEARNED: "#1a7f37",
    KEPT_BETTER: "#cf222e",
    PERFECT: "#d0d7de",
}
ALONE = (STUDENT_ALONE, TEACHER_ALONE, BEST_OF_N)
HEADS = ("way", "k", "evaluations", "seconds", "quality (95 %)", "prompts")


def report(tuned: Tuned) -> str:
    """The choices in words, and a Markdown table of what was measured."""
    lines = [HEADS, ("---",) * len(HEADS), *_rows(tuned)]
    table = [f"| {' | '.join(cells)} |" for cells in lines]
    return "\n".join([*map(str, tuned.choices), *_notes(tuned), "", *table])


def chart(tuned: Tuned) -> Chart:
    """Quality against evaluations and against seconds, of the setting that is chosen and of each model alone."""
    lines = _lines(tuned)
    chosen = tuned.chosen.point
    title = "\n".join(["What an image costs, and what it gives", *map(str, tuned.choices)])
    panels = [("evaluations an image", "evaluations"), ("seconds an image", "seconds")]
    return Chart(title, [Panel(across, "quality", _series(lines, chosen, cost)) for across, cost in panels])


def _rows(tuned: Tuned) -> Iterator[Sequence[str]]:
    """Each model alone, the chosen setting at several k, and the best of every other one."""
    yield from (_cells(point) for point in tuned.points if point.name in ALONE)
    chosen = [point for point in tuned.points if point.setting == tuned.setting and point.k in SHOWN]
    yield from (_cells(point) for point in sorted(chosen, key=lambda point: list(COLOURS).index(point.name)))
    others: dict[Setting | None, list[Point]] = {}
    for point in tuned.points:
        if point.k and point.setting != tuned.setting:
            others.setdefault(point.setting, []).append(point)
    yield from (_cells(best(points)) for points in [*others.values(), *tuned.dropped])


def _cells(point: Point) -> Sequence[str]:
    what = f"{point.setting}, {point.name}" if point.k else str(point)
    k = f"{point.k:g}" if point.k else ""
    costs = (f"{point.evaluations:.2f}", f"{point.seconds:.3g}")
    return (what, k, *costs, spelled(point.interval), str(len(point.quality)))


def _notes(tuned: Tuned) -> list[str]:
    return [] if tuned.task.judge else [OWN_JUDGE]


OWN_JUDGE = (
    "The gate's own estimator is the judge here, so that best of N and keep the better look better than they are; "
    "link another judge to know."
)


def _lines(tuned: Tuned) -> Mapping[str, Sequence[Point]]:
    """The points of each name: of routing only those of the chosen setting."""
    shown = [point for point in tuned.points if point.name in ALONE or point.setting == tuned.setting]
    return {name: [point for point in shown if point.name == name] for name in COLOURS}


def _series(lines: Mapping[str, Sequence[Point]], chosen: Point, cost: str) -> list[Series]:
    made = [_one(name, points, cost) for name, points in lines.items() if points]
    return [*made, Series("chosen", [(getattr(chosen, cost), chosen.interval.value)], "#1f2328", dots=True)]


def _one(name: str, points: Sequence[Point], cost: str) -> Series:
    """A line; the learned gate's with its interval."""
    ordered = sorted(points, key=lambda point: getattr(point, cost))
    places = [(getattr(point, cost), point.interval.value) for point in ordered]
    band = [(point.interval.low, point.interval.high) for point in ordered] if name == LEARNED else []
    return Series(name, places, COLOURS[name], band, dots=name in ALONE)
