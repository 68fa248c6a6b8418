"""k from a budget, and the cost of a k."""

import math

import comfy.samplers
import pytest
from graphs import Graph, adaptive_graph, changed, demo_prompts, node

from .tools import module

STEPS, EVALUATIONS = "steps", "model evaluations"


def budget(average: float, unit: str, **settings) -> dict:
    """k from an average, or what `k` costs, linked to nothing unless `settings` say so."""
    given = {"student_steps": 4, "teacher_steps": 12, "cfg": 8.0, **settings}
    return {
        "budget": node("AdaptiveBudget", average=average, unit=unit, **given),
        "k": node("TestKeep", value=["budget", 0], name="k"),
        "average": node("TestKeep", value=["budget", 1], name="average"),
    }


@pytest.mark.parametrize(("unit", "average", "k"), [(STEPS, 10.0, 50.0), (EVALUATIONS, 16.0, 50.0)])
def test_k_meets_the_average(comfy_app, unit, average, k):
    run = comfy_app.run(budget(average, unit))
    assert run.kept["k"] == [pytest.approx(k)]
    assert run.kept["average"] == [pytest.approx(average)]
    alone = 12 if unit == STEPS else 24
    assert run.texts["budget"] == f"k 50.0 %: {average:g} {unit} per image; the teacher alone takes {alone}"


def test_a_linked_k_is_told_its_cost(comfy_app):
    linked = {"number": node("TestNumbers", text="25")}
    run = comfy_app.run(linked | budget(99.0, STEPS, k=["number", 0]))
    assert (run.kept["k"], run.kept["average"]) == ([25.0], [7.0])


def test_a_linked_student_brings_its_steps_and_guidance(comfy_app):
    graph = adaptive_graph(k=0.0) | budget(5.0, EVALUATIONS, student=["student", 1])
    graph["student"]["inputs"] |= {"steps": 1, "cfg": 2.0, "negative": ["student_prompt", 0]}
    assert comfy_app.run(graph).kept["k"] == [pytest.approx(100 * 3 / 24)]


def asked(graph: Graph, unit: str, k: float, **settings) -> Graph:
    """The graph, and what a k costs."""
    number = {"number": node("TestNumbers", text=str(k))}
    return graph | number | budget(1.0, unit, k=["number", 0], **settings)


def searching(prompts: list[str], sampler: str) -> Graph:
    """Best of N with the demo student for a batch of three for each prompt; its students are kept."""
    graph = adaptive_graph(["prompts", 0], batch=3)
    judging = {"vae": ["student_models", 2], "estimator": ["estimator", 0], "prompt": ["prompts", 0]}
    drawing = {**graph["student"]["inputs"], "sampler_name": sampler}
    needed = ("student_models", "student_prompt", "empty", "estimator")
    return {
        **{name: graph[name] for name in needed},
        "prompts": node("TestLines", text="\n".join(prompts)),
        "student": node("AdaptiveBestOfN", **drawing, **judging, table="Demo", k=60.0, candidates=4),
        "students": node("TestKeep", value=["student", 3], name="students"),
    }


@pytest.mark.parametrize(("sampler", "each"), [("lcm", 2), ("heun", 3)])
def test_behind_best_of_n_all_candidates_of_all_prompts_are_counted(comfy_app, evaluations, sampler, each):
    graph = searching(demo_prompts(3), sampler)
    run = comfy_app.run(asked(graph, EVALUATIONS, 0, student=["student", 3]))
    assert run.error is None
    numbers = [number for student in run.kept["students"] for number in student.candidates]
    assert len(numbers) == 9 and max(numbers) > 1
    assert run.kept["average"] == [sum(evaluations["student"]) / 9] == [pytest.approx(each * sum(numbers) / 9)]
    run = comfy_app.run(asked(graph, STEPS, 0, student=["student", 3]))
    assert run.kept["average"] == [pytest.approx(2 * sum(numbers) / 9)]


TEACHERS = {
    "unipc_diffusers at cfg 3": {"sampler_name": "unipc_diffusers", "cfg": 3.0},
    "heun": {"sampler_name": "heun", "cfg": 1.0},
    "seeds_3 at cfg 3": {"sampler_name": "seeds_3", "cfg": 3.0},
    "euler_cfg_pp": {"sampler_name": "euler_cfg_pp", "cfg": 1.0},
    "euler_cfg_pp without a negative": {"sampler_name": "euler_cfg_pp", "cfg": 1.0, "negative": False},
}


@pytest.mark.parametrize("case", TEACHERS)
def test_a_run_costs_what_was_told_of_its_student_and_teacher(comfy_app, evaluations, case):
    settings = TEACHERS[case]
    graph = changed(adaptive_graph(k=50.0), "student", sampler_name="heun")
    teacher = {**settings, "negative": ["teacher_negative", 0] if settings.get("negative", True) else None}
    graph = changed(graph, "teacher", steps=4, **teacher)
    run = comfy_app.run(asked(graph, EVALUATIONS, 50, student=["student", 1], teacher_steps=4, **settings))
    assert run.error is None
    assert len(evaluations["teacher"]) >= 4
    assert run.kept["average"] == [(sum(evaluations["student"]) + sum(evaluations["teacher"])) / 4]


def test_a_sampler_of_another_pack_has_no_known_evaluations(comfy_app, monkeypatch):
    monkeypatch.setattr(comfy.samplers.KSampler, "SAMPLERS", ["euler", "of another pack"])
    error = comfy_app.fails(budget(16.0, EVALUATIONS, sampler_name="of another pack"))
    assert error == (
        "Budget: how often sampler 'of another pack' evaluates the model is not known; choose unit seconds or steps"
    )
    assert comfy_app.run(budget(10.0, STEPS, sampler_name="of another pack")).kept["k"] == [50.0]


def test_what_cannot_be_met_says_what_can(comfy_app):
    error = comfy_app.fails(budget(3.0, STEPS))
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
