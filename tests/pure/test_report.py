"""Records of runs."""

import json
from dataclasses import replace

import pytest

from adaptive_diffusion.gate.cost import Spent
from adaptive_diffusion.gate.decision import QualityScores, decide
from adaptive_diffusion.gate.student import Student
from adaptive_diffusion.report import record


def decision(threshold=2.0):
    scores = QualityScores((3.0, 1.0, 1.5), prompts=("a", "b", "c"))
    return decide(scores, threshold, "mine", student=Student(steps=4, seed=9))


def test_a_record_says_everything_of_every_image():
    entries = record(decision(), (7, 8, 9), (2.5, 1.25), 12, first=10)
    assert entries == [
        {"index": 10, "prompt": "a", "seed": 7, "score": 3.0, "table": "mine", "threshold": 2.0}
        | {"verdict": "accepted", "taken": False, "final_score": 3.0, "steps": 4, "evaluations": None, "risk": None},
        {"index": 11, "prompt": "b", "seed": 8, "score": 1.0, "table": "mine", "threshold": 2.0}
        | {"verdict": "rejected", "taken": None, "final_score": 2.5, "steps": 16, "evaluations": None, "risk": None},
        {"index": 12, "prompt": "c", "seed": 9, "score": 1.5, "table": "mine", "threshold": 2.0}
        | {"verdict": "rejected", "taken": None, "final_score": 1.25, "steps": 16, "evaluations": None, "risk": None},
    ]


def test_a_final_score_is_that_of_the_image_that_was_taken():
    taken = replace(decision(), taken=(2,))
    assert [entry["taken"] for entry in record(taken)] == [False, False, True]
    assert [entry["final_score"] for entry in record(taken, (), (9.0, 1.25))] == [3.0, 1.0, 1.25]
    assert [entry["final_score"] for entry in record(taken, (), (3.1, 1.1, 1.25))] == [3.1, 1.1, 1.25]


def test_steps_and_evaluations_are_what_student_and_teachers_told():
    student = Student(steps=4, spent=(Spent(4, 4), Spent(4, 4), Spent(8, 8)))
    told = replace(decision(), student=student)
    told.bills[1]["refine"] = Spent(12, 24)
    entries = record(told, teacher_steps=5)
    assert [entry["steps"] for entry in entries] == [4, 16, 13]
    assert [entry["evaluations"] for entry in entries] == [4, 28, None]
    gone = record(told, nodes={"another"})
    assert [entry["steps"] for entry in gone] == [4, None, None]


def test_what_is_unknown_is_none():
    entries = record(decision())
    assert [entry["seed"] for entry in entries] == [9, 9, 9]
    assert [entry["final_score"] for entry in entries] == [3.0, None, None]
    assert [entry["steps"] for entry in entries] == [4, None, None]
    anonymous = record(decide(QualityScores((1.0,)), 0.0))
    assert (anonymous[0]["seed"], anonymous[0]["steps"], anonymous[0]["prompt"]) == (None, None, "")


@pytest.mark.parametrize("threshold", [float("inf"), float("-inf")])
def test_a_record_is_strict_json_even_where_all_or_none_are_rejected(threshold):
    entries = record(decision(threshold))
    assert json.loads(json.dumps(entries, allow_nan=False)) == entries
    assert {entry["threshold"] for entry in entries} == {None}


def test_another_number_of_seeds_or_final_scores_is_refused():
    with pytest.raises(ValueError, match="2 seeds came for 3 images"):
        record(decision(), (1, 2))
    with pytest.raises(ValueError, match="4 final_scores came for 2 images"):
        record(decision(), (), (1.0, 2.0, 3.0, 4.0))
