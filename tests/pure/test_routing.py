"""Who is sent to the teacher by each way to route, what that gives, and what it costs."""

import numpy
import pytest

from adaptive_diffusion.gate.routing import (
    KEPT_BETTER,
    LEARNED,
    PERCENTILE,
    PERFECT,
    SHARES,
    Looked,
    best_of,
    routes,
)
from adaptive_diffusion.gate.ways import Setting, Way, settings_of, student_way

COUNT = 200
RNG = numpy.random.default_rng(3)
SETTING = Setting(student_way(2), Way("refine", 2, 5, 0.7))
STUDENT = Looked(RNG.normal(size=COUNT), RNG.integers(0, 2, COUNT).astype(float), 2.0, 0.2, 0.01)
TEACHER = Looked(RNG.normal(size=COUNT), RNG.integers(0, 2, COUNT).astype(float), 10.0, 1.0, 0.01)
RISKS = RNG.random(COUNT)
POINTS = {(point.name, point.k): point for point in routes(SETTING, STUDENT, TEACHER, RISKS)}


def sent(order: numpy.ndarray, k: float) -> numpy.ndarray:
    """The first k percent in an order, written without the percentiles of the module."""
    chosen = numpy.zeros(COUNT, bool)
    chosen[numpy.argsort(order)[: round(COUNT * k / 100)]] = True
    return chosen


@pytest.mark.parametrize("k", SHARES)
def test_each_way_sends_its_worst_and_an_image_costs_what_it_takes(k):
    by_score, by_risk = sent(STUDENT.scores, k), sent(-RISKS, k)
    expected = {
        PERCENTILE: numpy.where(by_score, TEACHER.quality, STUDENT.quality),
        LEARNED: numpy.where(by_risk, TEACHER.quality, STUDENT.quality),
        KEPT_BETTER: numpy.where(by_risk & (TEACHER.scores > STUDENT.scores), TEACHER.quality, STUDENT.quality),
    }
    for name, quality in expected.items():
        point = POINTS[name, k]
        assert (point.quality == quality).all()
        assert point.evaluations == pytest.approx(2 + 10 * k / 100)
        scored_again = 0.01 * k / 100 if name == KEPT_BETTER else 0
        assert point.seconds == pytest.approx(0.21 + k / 100 + scored_again)


@pytest.mark.parametrize("k", SHARES)
def test_perfect_routing_is_the_best_of_as_many(k):
    gain = numpy.sort(TEACHER.quality - STUDENT.quality)[::-1][: round(COUNT * k / 100)]
    perfect = POINTS[PERFECT, k]
    assert perfect.quality.sum() == STUDENT.quality.sum() + gain.sum()
    assert all(perfect.quality.sum() >= POINTS[name, k].quality.sum() for name in (PERCENTILE, LEARNED))
    assert perfect.evaluations == pytest.approx(2 + 10 * k / 100)


def test_without_a_gate_the_better_is_kept_of_what_the_percentiles_send():
    points = {(point.name, point.k): point for point in routes(SETTING, STUDENT, TEACHER, None)}
    taken = sent(STUDENT.scores, 30) & (TEACHER.scores > STUDENT.scores)
    assert (points[KEPT_BETTER, 30].quality == numpy.where(taken, TEACHER.quality, STUDENT.quality)).all()
    assert (LEARNED, 30) not in points


def test_the_best_of_n_is_the_one_that_scores_highest_and_all_are_paid():
    others = [Looked(RNG.normal(size=COUNT), RNG.random(COUNT), 2.0, 0.2, 0.01) for _ in range(2)]
    point = best_of([STUDENT, *others])
    for i in range(COUNT):
        best = max((STUDENT, *others), key=lambda looked: looked.scores[i])
        assert point.quality[i] == best.quality[i]
    assert (point.evaluations, point.seconds) == (6.0, pytest.approx(0.63))


def test_every_setting_is_tried_once_and_the_teacher_alone_in_every_number_of_steps():
    found = settings_of([1, 2], [5, 8], [0.5, 0.7], ["refine", "regenerate"])
    assert len(found) == len(set(found)) == 2 * (2 * 2 + 2) + 2
    assert [str(setting) for setting in found if setting.student is None] == [
        "the teacher alone in 5 steps",
        "the teacher alone in 8 steps",
    ]
    series = {way.series for setting in found for way in setting.ways}
    assert {"student 1", "refine 2 5 0.7", "regenerate 8"} <= series and len(series) == 2 + 8 + 2


@pytest.mark.parametrize(
    ("tried", "sentence"),
    [
        (([], [5], [0.7], ["refine"]), "student_steps is empty; write at least one number"),
        (([1], [0], [0.7], ["refine"]), "teacher_steps holds 0; write numbers from 1"),
        (([1], [5], [0.0], ["refine"]), "rollback holds 0; write numbers above 0"),
        (([1], [5], [float("nan")], ["refine"]), "rollback holds nan; write numbers above 0"),
        (([1], [5], [], ["refine"]), "rollback is empty"),
        (([1], [5], [0.7], ["redraw"]), "there is no strategy 'redraw'; choose from refine and regenerate"),
        (([1], [5], [0.7], []), "there is nothing to try; choose at least one strategy"),
        ((range(1, 9), range(1, 9), [0.5, 0.7], ["refine"]), "136 settings came; choose at most 64"),
    ],
)
def test_what_cannot_be_tried_is_one_sentence(tried, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        settings_of(*tried)
