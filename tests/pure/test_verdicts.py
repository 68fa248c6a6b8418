"""Decisions on all batches of a run: joined, cut, and told what became of their images."""

import math

import pytest

from adaptive_diffusion.gate.cost import Spent
from adaptive_diffusion.gate.decision import QualityScores, decide
from adaptive_diffusion.gate.rows import Rows
from adaptive_diffusion.gate.student import Student, agreed
from adaptive_diffusion.gate.verdicts import Verdicts


def single(value: float, prompt: str, row: int, student: Student | None = None):
    """The decision on one image of a batch of four, scored alone."""
    scores = QualityScores((value,), prompts=(prompt,), group=row, groups=4)
    return decide(scores, 2.0, "mine", 50.0, student)


def four():
    spent = tuple(Spent(i, i) for i in range(1, 5))
    students = [Student(steps=1, seed=seed, candidates=(seed,), spent=(each,)) for seed, each in enumerate(spent, 1)]
    return Verdicts(tuple(single(float(i), "abcd"[i], i, students[i]) for i in range(4)))


def test_images_judged_one_by_one_are_joined_to_their_batch():
    (joined,) = four().fitted([4])
    assert (joined.scores.values, joined.scores.prompts) == ((0.0, 1.0, 2.0, 3.0), ("a", "b", "c", "d"))
    assert (joined.rejected, joined.threshold, joined.k) == ((0, 1), 2.0, 50.0)
    assert joined.scores.rows == Rows.whole(4)


def test_what_belongs_to_single_images_stays_theirs_when_batches_are_joined_and_cut():
    joined = four().fitted([4])
    (student,) = [decision.student for decision in joined]
    assert student and (student.spent[2], student.candidates, student.seed, student.steps) == (
        Spent(3, 3),
        (1, 2, 3, 4),
        None,
        1,
    )
    cut = [decision.student for decision in joined.fitted([1, 3])]
    assert [each and each.spent for each in cut] == [student.spent[:1], student.spent[1:]]


def test_an_outcome_is_one_object_for_all_copies():
    verdicts = four()
    verdicts.fitted([4]).decisions[0].bills[1]["teacher"] = Spent(5, 10)
    assert verdicts.decisions[1].outcomes[0].paid() == Spent(5, 10)
    assert verdicts.decisions[0].outcomes[0].paid() is None


def test_batches_of_other_images_are_refused_whatever_was_rejected():
    for k in (-math.inf, math.inf):
        verdicts = Verdicts((decide(QualityScores((1.0, 2.0, 3.0)), k),))
        with pytest.raises(ValueError, match="student holds 4 images, but 3 were scored; link"):
            verdicts.of_whole_batches([4], "student")
    with pytest.raises(ValueError, match=r"student holds 2 images, but 1 \+ 1 \+ 1 \+ 1 were scored"):
        four().of_whole_batches([2], "student")
    with pytest.raises(ValueError, match=r"student holds 1 images, but 1 \+ 1 \+ 1 \+ 1 were scored"):
        four().of_whole_batches([1], "student")


def test_what_a_second_gate_led_to_is_told_with_the_first_gates_image():
    first = decide(QualityScores((1.0, 5.0)), 2.0)
    first.bills[0]["refine"] = Spent(5, 10)
    second = decide(first.seen_again, 2.0)
    second.outcomes[0].entered("gate 2")
    second.bills[0]["regenerate"] = Spent(8, 16)
    assert first.outcomes[0].paid() == Spent(13, 26)
    assert first.outcomes[0].paid({"refine", "regenerate"}) == Spent(5, 10)
    assert second.outcomes[0].paid() == Spent(8, 16)
    assert second.outcomes[0].paid_before() == Spent(5, 10)


def test_a_gate_that_judges_anew_takes_the_place_of_what_it_led_to_before():
    first = decide(QualityScores((1.0,)), 2.0)
    for _ in range(2):
        second = decide(first.seen_again, 2.0)
        second.outcomes[0].entered("gate 2")
        second.bills[0]["teacher"] = Spent(8, 16)
    assert first.outcomes[0].paid() == Spent(8, 16)


def test_the_rejected_are_found_among_all_and_among_themselves():
    decision = decide(QualityScores((1.0, 5.0, 1.0)), 2.0)
    assert (list(decision.places(3, "images")), list(decision.places(2, "images"))) == ([0, 2], [0, 1])
    with pytest.raises(ValueError, match="4 images came for 2 rejected images of 3; link"):
        decision.places(4, "images")


def test_students_agree_or_are_refused_by_what_differs():
    assert agreed([None, Student(steps=4, seed=1), Student(steps=4, seed=2)]) == Student(steps=4, seed=1)
    assert agreed([None]) is None
    with pytest.raises(ValueError, match="2 students came, of which one has steps 8 instead of 4; link one student"):
        agreed([Student(steps=4), Student(steps=4, seed=3), Student(steps=8)])
