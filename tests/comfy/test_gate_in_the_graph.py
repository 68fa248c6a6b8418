"""The main job as a node graph: who runs, how often, and what comes out."""

import pytest
import torch
from graphs import adaptive_graph, changed, keep

TEACHER_ONLY = {"teacher_models", "teacher_prompt", "teacher_negative", "teacher_images"}


@pytest.mark.parametrize("app", ["comfy_app", "uncached_app"])
def test_nothing_rejected_runs_nothing_of_the_teacher(app, request, evaluations):
    run = request.getfixturevalue(app).run(
        keep(adaptive_graph(k=0), merged=["merge", 0], student=["student_images", 0])
    )
    assert run.error is None
    assert not TEACHER_ONLY & set(run.executed)
    assert evaluations == {"student": [4, 4], "teacher": []}
    assert torch.equal(run.kept["merged"][0], run.kept["student"][0])


@pytest.mark.parametrize("app", ["comfy_app", "uncached_app"])
def test_exactly_the_rejected_pass_through_one_teacher_batch(app, request, evaluations):
    graph = keep(
        adaptive_graph(k=50, steps=5), merged=["merge", 0], student=["student_images", 0], decision=["gate", 0]
    )
    run = request.getfixturevalue(app).run(graph)
    assert run.error is None
    decision = run.kept["decision"][0]
    assert len(decision.rejected) == 2
    assert evaluations["teacher"] == [2 * 2] * 5
    merged, student = run.kept["merged"][0], run.kept["student"][0]
    for i in range(4):
        assert torch.equal(merged[i], student[i]) == (i not in decision.rejected)


@pytest.mark.parametrize("k", [0, 50, 100])
def test_the_output_size_never_depends_on_what_was_rejected(k, comfy_app):
    graph = changed(adaptive_graph(k=k), "merge", size="width x height", width=96, height=80)
    run = comfy_app.run(keep(graph, merged=["merge", 0]))
    assert run.kept["merged"][0].shape == (4, 80, 96, 3)


def test_verdicts_are_in_the_history_also_of_a_cached_run(comfy_app):
    first = comfy_app.run(adaptive_graph())
    again = comfy_app.run(adaptive_graph())
    assert "gate" not in again.executed
    for run in (first, again):
        shown = run.ui["gate"]["adaptive_gate"][0]
        assert shown["estimator"] == "Demo"
        assert shown["table"] == "this run"
        assert [value < shown["threshold"] for value in shown["scores"][0]] == [
            i in shown["rejected"][0] for i in range(4)
        ]


def test_the_gate_sees_a_table_that_changed_on_disk(comfy_app, booted):
    graph = {**adaptive_graph(), "calibrate": {"class_type": "AdaptiveTableFromScores", "inputs": {}}}
    graph = changed(graph, "calibrate", scores=["scores", 0], name="changing")
    comfy_app.run(graph)
    graph.pop("calibrate")
    graph = changed(graph, "gate", table="changing")
    first = comfy_app.run(graph)
    assert "gate" in first.executed
    assert "gate" not in comfy_app.run(graph).executed
    path = booted / "user" / "adaptive_diffusion" / "percentiles" / "changing.json"
    path.write_text('{"50": -1000.0}')
    assert "gate" in comfy_app.run(graph).executed


def test_a_reroll_of_only_the_teacher_keeps_the_student(comfy_app):
    comfy_app.run(adaptive_graph())
    run = comfy_app.run(changed(adaptive_graph(), "teacher", seed=99))
    assert "student" not in run.executed
    assert "teacher" in run.executed


def test_report_tells_every_image_in_order(comfy_app):
    graph = adaptive_graph(k=50)
    graph["report"] = {
        "class_type": "AdaptiveReport",
        "inputs": {"images": ["student_images", 0], "decision": ["gate", 0]},
    }
    graph = changed(graph, "report", final_images=["merge", 0], teacher_steps=5)
    graph = changed(graph, "gate", student=["student", 1])
    run = comfy_app.run(keep(graph, sheet=["report", 0], record=["report", 1]))
    entries = run.ui["report"]["adaptive_report"]
    assert [entry["index"] for entry in entries] == [0, 1, 2, 3]
    shown = run.ui["gate"]["adaptive_gate"][0]
    assert [entry["score"] for entry in entries] == shown["scores"][0]
    assert [entry["steps"] for entry in entries] == [2 + 5 * (i in shown["rejected"][0]) for i in range(4)]
    assert all(entry["seed"] == 1 for entry in entries)
    assert run.kept["sheet"][0].shape[0] == 1
