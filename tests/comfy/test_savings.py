"""What a run took, counted with loading, decoding and the estimator, beside the student and the teacher alone."""

import time

import pytest
from graphs import adaptive_graph, changed, node

from .tools import module

STUDENT, TEACHER_STEPS = 2, 3


@pytest.fixture(autouse=True)
def fresh_account(monkeypatch):
    savings = module("host.savings")
    monkeypatch.setattr(savings, "_since", savings.Bill())


def reported(k: float = 50, **gate):
    graph = adaptive_graph(k=k, steps=TEACHER_STEPS)
    finals = {"images": ["student_images", 0], "decision": ["merge", 1], "final_images": ["merge", 0]}
    graph["report"] = node("AdaptiveReport", **finals)
    graph["sheet"] = node("PreviewImage", images=["report", 0])
    return changed(graph, "gate", student=["student", 1], **gate)


def savings_of(run) -> dict:
    assert run.error is None
    return run.ui["report"]["adaptive_savings"][0]


def test_a_run_tells_what_it_took_and_what_either_alone_would_have(comfy_app):
    begun = time.perf_counter()
    run = comfy_app.run(reported())
    passed = time.perf_counter() - begun
    told = savings_of(run)
    assert told["gate"] == "gate"
    this = told["run"]
    assert (this["images"], this["rejected"]) == (4, 2)
    assert this["evaluations"] == 4 * STUDENT + 2 * 2 * TEACHER_STEPS
    assert this["student"]["evaluations"] == 4 * STUDENT
    assert this["teacher"]["evaluations"] == 4 * 2 * TEACHER_STEPS
    assert 0 < this["student"]["seconds"] < this["seconds"] <= passed
    for name in ("student", "teacher"):
        assert told["since"][name] == pytest.approx(this[name])
    assert told["since"]["seconds"] == pytest.approx(this["seconds"])
    events = [data for event, data in run.events if event == "adaptive_diffusion.savings"]
    assert [data["gate"] for data in events] == ["gate", "gate"] and events[-1]["run"] == this
    assert {data["prompt_id"] for data in events} == {"p"}


def test_loading_decoding_and_the_estimator_are_counted(comfy_app, monkeypatch):
    slow = {"VAEDecode": 0.3, "AdaptiveLoadDemoModels": 0.2, "AdaptiveQualityScore": 0.25}
    delay(monkeypatch, slow)
    this = savings_of(comfy_app.run(reported()))["run"]
    assert this["student"]["seconds"] >= 0.5
    assert this["seconds"] >= 2 * 0.5 + 0.25
    assert this["teacher"]["seconds"] >= 0.2 + 2 * 0.3
    assert this["seconds"] - this["student"]["seconds"] >= 0.5 + 0.25


def delay(monkeypatch, slow: dict[str, float]) -> None:
    """Let these nodes take so many seconds longer."""
    clock = module("host.clock").Clock
    finish = clock.finish_handler

    def late(self, node_id, state, prompt_id):
        kind = module("host.clock").get_progress_state().dynprompt.get_node(node_id)["class_type"]
        if node_id in self._begun:
            self._begun[node_id] -= slow.get(kind, 0.0)
        finish(self, node_id, state, prompt_id)

    monkeypatch.setattr(clock, "finish_handler", late)


def test_runs_add_up_and_every_image_counts_once(comfy_app):
    first = savings_of(comfy_app.run(reported()))
    again = savings_of(comfy_app.run(changed(reported(), "student", seed=2)))
    assert again["run"]["images"] == 4
    assert (again["since"]["images"], again["since"]["rejected"]) == (8, 4)
    total = first["since"]["seconds"] + again["run"]["seconds"]
    assert again["since"]["seconds"] == pytest.approx(total)
    assert again["since"]["evaluations"] == 2 * first["run"]["evaluations"]


def test_images_from_the_cache_are_not_drawn_again(comfy_app):
    comfy_app.run(reported())
    told = savings_of(comfy_app.run(reported(k=75)))
    assert told["run"] is None
    assert (told["since"]["images"], told["since"]["rejected"]) == (4, 5)
    assert told["since"]["evaluations"] == 4 * STUDENT + 5 * 2 * TEACHER_STEPS


def test_where_nothing_is_rejected_the_teacher_costs_what_it_did_before_or_it_is_not_known(comfy_app):
    none = savings_of(comfy_app.run(reported(k=0)))
    assert none["run"]["teacher"] is None and none["run"]["evaluations"] == 4 * STUDENT
    comfy_app.run(changed(reported(), "student", seed=2))
    told = savings_of(comfy_app.run(changed(reported(k=0), "student", seed=3)))
    assert told["run"]["teacher"]["evaluations"] == 4 * 2 * TEACHER_STEPS
    assert (told["since"]["images"], told["since"]["rejected"]) == (12, 2)


def test_a_gate_tells_what_runs_before_it_took(comfy_app):
    comfy_app.run(reported())
    shown = comfy_app.run(changed(reported(), "student", seed=2)).ui["gate"]["adaptive_gate"][0]["savings"]
    assert (shown["images"], shown["rejected"]) == (4, 2)


def test_another_teacher_takes_seconds_whose_evaluations_nobody_counted(comfy_app):
    graph = reported()
    graph["split"] = node("AdaptiveSplit", decision=["gate", 0], batch=["student", 0])
    inputs = {
        name: graph["teacher"]["inputs"][name] for name in ("model", "positive", "negative", "seed", "steps", "cfg")
    }
    sampler = {"sampler_name": "euler", "scheduler": "normal", "denoise": 0.7, "latent_image": ["split", 1]}
    graph["teacher"] = node("KSampler", **inputs, **sampler)
    this = savings_of(comfy_app.run(graph))["run"]
    assert this["evaluations"] is None and this["teacher"]["evaluations"] is None
    assert this["teacher"]["seconds"] > 0


def test_without_a_cache_the_clock_begins_too_late_and_nothing_is_told(uncached_app):
    told = savings_of(uncached_app.run(reported()))
    assert told["run"] is None and told["since"]["images"] == 0
