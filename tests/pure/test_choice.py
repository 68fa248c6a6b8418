"""What is the best way to spend, and what is said of the student and the teacher alone."""

import math

import numpy
import pytest

from adaptive_diffusion.gate.choice import ANY_BUDGET, best, cheapest, choose, leaders, ranked
from adaptive_diffusion.gate.routing import LEARNED, PERFECT, STUDENT_ALONE, TEACHER_ALONE, Point
from adaptive_diffusion.gate.ways import Setting, Way, student_way

SETTING = Setting(student_way(1), Way("refine", 1, 5, 0.7))


def point(name: str, evaluations: float, right: int, number: int = 0, count: int = 400) -> Point:
    """A way that draws the first `right` of so many images right."""
    quality = (numpy.arange(count) < right).astype(float)
    k = None if name in (STUDENT_ALONE, TEACHER_ALONE) else 30.0
    return Point(name, SETTING if k else None, k, evaluations, evaluations / 10, quality, number)


ONE, FOUR, TEACHER = point(STUDENT_ALONE, 1, 340, 1), point(STUDENT_ALONE, 4, 380, 4), point(TEACHER_ALONE, 12, 391, 6)
GATED, DEARER, PERFECTLY = point(LEARNED, 3, 388), point(LEARNED, 6, 392), point(PERFECT, 2, 400)
POINTS = [ONE, FOUR, TEACHER, GATED, DEARER, PERFECTLY]


def test_the_best_is_the_one_of_highest_quality_that_can_be_had():
    assert best(POINTS) is DEARER
    assert best([FOUR, point(STUDENT_ALONE, 2, 380, 2)]).evaluations == 2


def test_the_cheapest_is_within_the_interval_of_the_best():
    low = best(POINTS).interval.low
    assert low < GATED.interval.value
    assert cheapest(POINTS) is GATED
    assert cheapest([FOUR, DEARER]) is DEARER, "380 of 400 lie under the interval of 392"


@pytest.mark.parametrize(
    ("budget", "chosen"), [(1, ONE), (2.9, ONE), (3, GATED), (5.99, GATED), (6, DEARER), (99, DEARER)]
)
def test_at_a_budget_nothing_dearer_is_chosen(budget, chosen):
    assert choose(POINTS, budget).point is chosen


def test_a_budget_under_the_cheapest_is_refused():
    with pytest.raises(ValueError, match="^nothing costs 0.5 evaluations an image; the cheapest takes 1$"):
        choose(POINTS, 0.5)


def test_it_says_when_a_gate_is_surely_better_than_the_student_alone():
    said = str(choose(POINTS, 3))
    assert said.startswith("At 3 evaluations an image, take refining from 0.7 in 5 steps after 1 of the student, ")
    assert "learned gate at k 30: 0.970 (" in said and "for 3.00 evaluations and 0.3 s." in said
    assert "It is surely better than the student alone in 1 step," in said


def test_it_says_when_a_gate_is_not_surely_better():
    one_more = [FOUR, point(LEARNED, 4, 381)]
    assert "It is NOT surely better than the student alone in 4 steps" in str(choose(one_more, 4))


def test_it_says_plainly_when_one_model_alone_is_the_better_choice():
    said = str(choose([FOUR, point(LEARNED, 4, 370)], 4))
    assert "take the student alone in 4 steps" in said
    assert said.endswith("The student alone is the better choice there; no gate is needed.")
    said = str(choose([ONE, TEACHER, GATED], ANY_BUDGET))
    assert said.startswith("The cheapest within the interval of the best is ")
    alone = [ONE, TEACHER, point(LEARNED, 6, 350)]
    assert "The teacher alone is the better choice there" in str(choose(alone, ANY_BUDGET))


def test_settings_are_ranked_by_the_best_at_each_budget_in_turn():
    cheap, dear, poor = [point(LEARNED, 2, 380)], [point(LEARNED, 9, 390)], [point(LEARNED, 2, 300)]
    assert ranked([poor, dear, cheap], [3.0, math.inf]) == [2, 1, 0]
    assert leaders([poor, dear, cheap], [3.0, math.inf]) == 2
    assert leaders([poor, dear, cheap], [math.inf]) == 1
    assert ranked([poor, [PERFECTLY]], [3.0]) == [0, 1], "perfect routing is nobody's to take"
