"""Which way to spend is the best, the cheapest that is as good, and the best that a budget allows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from ..comparison import Interval, clustered, spelled
from .routing import PERFECT, STUDENT_ALONE, TEACHER_ALONE, Point

ANY_BUDGET = math.inf


@dataclass(frozen=True)
class Choice:
    """What was chosen, and the best that the student or the teacher alone gives for no more.

    budget: evaluations that an image may cost on average; ANY_BUDGET for the cheapest within the interval of the best.
    """

    budget: float
    point: Point
    alone: tuple[Point, ...]

    def __str__(self) -> str:
        """Two sentences: what to take, and whether it is surely better than one model alone."""
        cheapest = "The cheapest within the interval of the best is"
        asked = cheapest if self.budget == ANY_BUDGET else f"At {self.budget:g} evaluations an image, take"
        return f"{asked} {self.point}: {costs(self.point)}.{''.join(map(self._against, self.alone))}"

    def _against(self, rival: Point) -> str:
        if rival is self.point:
            model = "student" if rival.name == STUDENT_ALONE else "teacher"
            return f" The {model} alone is the better choice there; no gate is needed."
        ahead = _mean_of(self.point.quality - rival.quality)
        surely = "surely" if ahead.low > 0 else "NOT surely"
        return f" It is {surely} better than {rival}, which has {costs(rival)}: by {spelled(ahead)}."


def _mean_of(gains: numpy.ndarray) -> Interval:
    """The mean of what each prompt gains, (N,), by Student's t."""
    return clustered(gains, range(len(gains)), [0] * len(gains))


def costs(point: Point) -> str:
    """Quality, evaluations and seconds in words."""
    return f"{spelled(point.interval)} for {point.evaluations:.2f} evaluations and {point.seconds:.3g} s"


def best(points: Sequence[Point]) -> Point:
    """The one of highest quality; of equal ones the cheaper, then the earlier. Perfect routing is nobody's to take."""
    real = [point for point in points if point.name != PERFECT]
    return max(real, key=lambda point: (point.quality.mean(), -point.evaluations))


def cheapest(points: Sequence[Point]) -> Point:
    """The cheapest whose quality lies within the interval of the best; of equally cheap ones the better."""
    low = best(points).interval.low
    within = [point for point in points if point.name != PERFECT and point.quality.mean() >= low]
    return min(within, key=lambda point: (point.evaluations, -point.quality.mean()))


def affordable(points: Sequence[Point], budget: float) -> list[Point]:
    """Those that cost no more than the budget, in evaluations; one that rounding puts over it counts."""
    return [point for point in points if point.evaluations <= budget + 1e-9]


def choose(points: Sequence[Point], budget: float) -> Choice:
    """The choice for a budget, or ANY_BUDGET; ValueError where nothing is so cheap."""
    found = affordable(points, budget)
    if not found:
        least = min(point.evaluations for point in points)
        raise ValueError(f"nothing costs {budget:g} evaluations an image; the cheapest takes {least:g}")
    point = cheapest(found) if budget == ANY_BUDGET else best(found)
    rivals = affordable(points, point.evaluations if budget == ANY_BUDGET else budget)
    alone = [[rival for rival in rivals if rival.name == name] for name in (STUDENT_ALONE, TEACHER_ALONE)]
    return Choice(budget, point, tuple(point if point in each else best(each) for each in alone if each))


def ranked(curves: Sequence[Sequence[Point]], budgets: Sequence[float]) -> list[int]:
    """The numbers of the settings with these points: the best at each budget in turn, then the second best ..."""
    orders = [_order(curves, budget) for budget in budgets]
    return list(dict.fromkeys(number for place in zip(*orders, strict=True) for number in place))


def leaders(curves: Sequence[Sequence[Point]], budgets: Sequence[float]) -> int:
    """How many settings are the best at one of the budgets."""
    return len({_order(curves, budget)[0] for budget in budgets})


def _order(curves: Sequence[Sequence[Point]], budget: float) -> list[int]:
    worth = [_worth(affordable(points, budget)) for points in curves]
    return sorted(range(len(curves)), key=lambda number: (-worth[number], number))


def _worth(points: Sequence[Point]) -> float:
    return float(best(points).quality.mean()) if numpy.any([point.name != PERFECT for point in points]) else -math.inf
