"""k from a budget, and the cost of a k."""

import math

import pytest
from graphs import adaptive_graph, changed, node

from .tools import module


def budget(average: float, unit: str, **linked) -> dict:
    return {
        "budget": node(
            "AdaptiveBudget", average=average, unit=unit, student_steps=4, teacher_steps=12, cfg=8.0, **linked
        ),
        "k": node("TestKeep", value=["budget", 0], name="k"),
        "average": node("TestKeep", value=["budget", 1], name="average"),
    }


@pytest.mark.parametrize(("unit", "average", "k"), [("steps", 10.0, 50.0), ("model evaluations", 16.0, 50.0)])
def test_k_meets_the_average(comfy_app, unit, average, k):
    run = comfy_app.run(budget(average, unit))
    assert run.kept["k"] == [pytest.approx(k)]
    assert run.kept["average"] == [pytest.approx(average)]
    alone = 12 if unit == "steps" else 24
    assert run.texts["budget"] == f"k 50.0 %: {average:g} {unit} per image; the teacher alone takes {alone}"


def test_a_linked_k_is_told_its_cost(comfy_app):
    linked = {"number": node("TestNumbers", text="25")}
    run = comfy_app.run(linked | budget(99.0, "steps", k=["number", 0]))
    assert (run.kept["k"], run.kept["average"]) == ([25.0], [7.0])


def test_a_linked_student_brings_its_steps_and_guidance(comfy_app):
    graph = adaptive_graph(k=0.0) | budget(5.0, "model evaluations", student=["student", 1])
    graph["student"]["inputs"] |= {"steps": 1, "cfg": 2.0, "negative": ["student_prompt", 0]}
    assert comfy_app.run(graph).kept["k"] == [pytest.approx(100 * 3 / 24)]


def test_what_cannot_be_met_says_what_can(comfy_app):
    error = comfy_app.fails(budget(3.0, "steps"))
    assert error == ("Budget: an average of 3 steps cannot be met; choose from 4 (never the teacher) to 16 (always)")


def test_seconds_are_those_of_runs_here(comfy_app, monkeypatch):
    timing = module("host.sampling.timing")
    for taken in timing._TAKEN.values():
        taken.clear()
    assert comfy_app.fails(budget(1.0, "seconds")).startswith("Budget: no student has drawn anything since")
    comfy_app.run(changed(adaptive_graph(k=50.0), "gate"))
    student, teacher = (timing.seconds_per_image(role) for role in (timing.STUDENT, timing.TEACHER))
    assert 0 < student < math.inf and 0 < teacher < math.inf
    run = comfy_app.run(budget(student + teacher / 4, "seconds"))
    assert run.kept["k"] == [pytest.approx(25.0)]


def test_a_run_without_rejected_images_times_no_teacher(comfy_app):
    timing = module("host.sampling.timing")
    timing._TAKEN[timing.TEACHER].clear()
    comfy_app.run(adaptive_graph(k=0.0))
    with pytest.raises(ValueError, match="no teacher has drawn anything"):
        timing.seconds_per_image(timing.TEACHER)
