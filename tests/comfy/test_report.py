"""Adaptive Report tells of every image what came out, and what was counted for it, of this graph alone."""

import json

import pytest
import torch
from graphs import adaptive_graph, changed, keep, node

from .test_best_of_n import searching
from .test_lists import list_graph

STUDENT, TEACHER = (2, 2.0), (5, 10.0)


def reported(graph, decision=("gate", 0), **links):
    """The graph with a report on all that Merge gives."""
    shown = {"images": ["student_images", 0], "final_images": ["merge", 0], "decision": [*decision]}
    graph = changed(graph, "gate", student=["student", 1])
    return keep({**graph, "report": node("AdaptiveReport", **{**shown, **links})}, record=["report", 1])


def second_look(graph, images="teacher_images", **links):
    look = {"estimator": ["estimator", 0], "images": [images, 0], "decision": ["gate", 0]} | links
    given = {name: value for name, value in look.items() if value is not None}
    return {**graph, "second_look": node("AdaptiveQualityScore", **given)}


def entries(run) -> list[dict]:
    assert run.error is None
    told = run.ui["report"]["adaptive_report"]
    assert json.loads(run.kept["record"][0]) == told
    return told


def costs(run) -> list[tuple]:
    return [(entry["steps"], entry["evaluations"]) for entry in entries(run)]


def added(*parts):
    return tuple(map(sum, zip(*parts, strict=True)))


@pytest.mark.parametrize("decision", [("gate", 0), ("merge", 1)], ids=["the gate's", "Merge's"])
@pytest.mark.parametrize("size", ["student", "width x height"])
def test_the_final_score_is_of_the_image_that_came_out(decision, size, comfy_app):
    graph = second_look(list_graph("0 1 2 3 4 5"))
    graph = changed(graph, "merge", improved_scores=["second_look", 0], size=size, width=96, height=80)
    graph = reported(graph, decision, final_scores=["second_look", 0])
    run = comfy_app.run(keep(graph, decisions=["merge", 1], second=["second_look", 0]))
    told = entries(run)
    taken = [i in each.taken for each in run.kept["decisions"] for i in range(2)]
    better = [value for group in run.kept["second"] for value in group.values]
    assert True in taken and False in taken
    assert [entry["taken"] for entry in told] == taken
    expected = [new if was else entry["score"] for new, was, entry in zip(better, taken, told, strict=True)]
    assert [entry["final_score"] for entry in told] == expected


@pytest.mark.parametrize("reject", ["0 3", "2 3", "0 1 2 3 4 5"])
def test_scores_of_all_that_merge_gives_are_taken(reject, comfy_app):
    graph = second_look(list_graph(reject), "merge", decision=None, prompt=["prompts", 0])
    run = comfy_app.run(keep(reported(graph, final_scores=["second_look", 0]), second=["second_look", 0]))
    every = [value for group in run.kept["second"] for value in group.values]
    assert [entry["final_score"] for entry in entries(run)] == pytest.approx(every, abs=1e-5)


def test_another_number_of_final_scores_is_refused(comfy_app):
    graph = second_look(list_graph("0 3"), "two", decision=None, prompt=["prompts", 0])
    graph["two"] = node("TestGive", name="two")
    comfy_app.give["two"] = torch.rand(3, 64, 64, 3)
    graph = changed(graph, "second_look", prompt="a large red circle on sky")
    error = comfy_app.fails(reported(graph, final_scores=["second_look", 0]))
    assert error.startswith("Adaptive Report: 3 final_scores came for 2 rejected images of 6; link those of exactly")


@pytest.mark.parametrize("cfg", [1.0, 3.0])
def test_steps_and_evaluations_are_those_that_ran(cfg, comfy_app, evaluations):
    run = comfy_app.run(reported(changed(list_graph("1 2 3"), "teacher", cfg=cfg)))
    assert sum(cost[1] for cost in costs(run)) == sum(map(sum, evaluations.values()))
    rejected = added(STUDENT, (5, 10.0 if cfg == 3 else 5.0))
    assert costs(run) == [rejected if i in (1, 2, 3) else STUDENT for i in range(6)]


def test_a_rollback_of_0_costs_nothing_and_a_cached_teacher_what_it_took(comfy_app):
    graph = reported(changed(adaptive_graph(k=100), "teacher", rollback=0.0))
    assert costs(comfy_app.run(graph)) == [STUDENT] * 4
    graph = reported(adaptive_graph(k=100))
    comfy_app.run(graph)
    again = comfy_app.run(changed(graph, "report", teacher_steps=99))
    assert "teacher" not in again.executed
    assert costs(again) == [added(STUDENT, TEACHER)] * 4


def test_a_teacher_that_left_the_graph_does_not_count(comfy_app):
    graph = reported(adaptive_graph(k=100))
    comfy_app.run(graph)
    other = {("other" if name == "teacher" else name): each for name, each in graph.items()}
    other = changed(changed(other, "other", steps=3), "teacher_images", samples=["other", 0])
    run = comfy_app.run(other)
    assert "gate" not in run.executed
    assert costs(run) == [added(STUDENT, (3, 6.0))] * 4


def test_a_teacher_that_leads_elsewhere_does_not_count(comfy_app):
    graph = reported(adaptive_graph(k=100))
    graph["beside"] = changed(graph, "teacher", steps=9)["teacher"]
    run = comfy_app.run(keep(graph, beside=["beside", 0]))
    assert costs(run) == [added(STUDENT, TEACHER)] * 4


@pytest.mark.parametrize(("teacher_steps", "steps"), [(0, None), (20, 22)])
def test_the_steps_of_a_teacher_that_does_not_tell_are_those_that_are_given(teacher_steps, steps, comfy_app):
    graph = reported(adaptive_graph(k=50), teacher_steps=teacher_steps)
    graph["blurred"] = node("ImageBlur", image=["split", 1], blur_radius=1, sigma=1.0)
    graph["split"] = node("AdaptiveSplit", decision=["gate", 0], batch=["student_images", 0])
    run = comfy_app.run(changed(graph, "merge", improved=["blurred", 0]))
    rejected = run.ui["gate"]["adaptive_gate"][0]["rejected"][0]
    assert costs(run) == [(steps, None) if i in rejected else STUDENT for i in range(4)]


def test_without_final_images_only_what_leads_to_the_decision_counts(comfy_app):
    graph = reported(second_look(adaptive_graph(k=100)), final_scores=["second_look", 0])
    graph = changed(graph, "report", final_images=None)
    assert costs(comfy_app.run(graph)) == [(None, None)] * 4
    graph = changed(graph, "report", decision=["merge", 1])
    assert costs(comfy_app.run(graph)) == [added(STUDENT, TEACHER)] * 4


def two_gates():
    """Teacher Refine for what the first gate rejects, then Teacher Regenerate for what a second gate does."""
    graph = second_look(adaptive_graph(k=100))
    graph["gate_2"] = node("AdaptiveThresholdGate", scores=["second_look", 0], table="this run", k=50.0)
    again = {key: value for key, value in graph["teacher"]["inputs"].items() if not key.startswith("rollback")}
    again |= {"decision": ["gate_2", 0], "latent": ["teacher", 0], "steps": 3}
    graph["teacher_2"] = node("AdaptiveTeacherRegenerate", **again)
    graph["images_2"] = node("VAEDecode", samples=["teacher_2", 0], vae=["student_models", 2])
    merge = graph["merge"]["inputs"] | {"decision": ["gate_2", 0]}
    merge |= {"student": ["teacher_images", 0], "improved": ["images_2", 0]}
    graph["merge_2"] = node("AdaptiveMerge", **merge)
    return changed(graph, "merge", improved=["merge_2", 0])


def test_what_a_second_teacher_took_counts_for_the_images_it_improved(comfy_app, evaluations):
    graph = changed(reported(two_gates()), "gate_2", student=["student", 1])
    shown = {"images": ["teacher_images", 0], "final_images": ["merge_2", 0], "decision": ["gate_2", 0]}
    graph["report_2"] = node("AdaptiveReport", **shown)
    graph = keep(graph, decisions=["gate_2", 0], record_2=["report_2", 1])
    run = comfy_app.run(graph)
    (second,) = run.kept["decisions"]
    once = added(STUDENT, TEACHER)
    assert costs(run) == [added(once, (3, 6.0)) if i in second.rejected else once for i in range(4)]
    assert sum(cost[1] for cost in costs(run)) == sum(map(sum, evaluations.values()))
    told = run.ui["report_2"]["adaptive_report"]
    assert [(entry["steps"], entry["evaluations"]) for entry in told] == costs(run)
    none = comfy_app.run(changed(graph, "gate_2", k=0.0))
    assert costs(none) == [once] * 4


def test_a_candidate_counts_for_its_own_image_however_the_images_are_batched(comfy_app):
    prompts = ["a red circle left of a blue square on sand", "a large red circle on sky"]
    graph = searching(k=50.0, limit=3, prompts=prompts)
    graph = changed(graph, "report", teacher_steps=0)
    graph["one_by_one"] = node("RebatchImages", images=["best", 1], batch_size=1)
    graph["again"] = node(
        "AdaptiveQualityScore", estimator=["estimator", 0], images=["one_by_one", 0], prompt="a large red circle on sky"
    )
    graph = changed(graph, "gate", scores=["again", 0], k=0.0)
    run = comfy_app.run(graph)
    spent = [each for student in run.kept["students"] for each in student.spent]
    assert len({each.evaluations for each in spent}) > 1
    assert costs(run) == [(each.steps, each.evaluations) for each in spent]


@pytest.mark.parametrize("student", [3, 4])
def test_transparent_images_pass_score_gate_merge_and_report(student, comfy_app):
    comfy_app.give["student"] = torch.rand(4, 64, 64, student, generator=torch.Generator().manual_seed(1))
    comfy_app.give["improved"] = torch.rand(2, 64, 64, 7 - student, generator=torch.Generator().manual_seed(2))
    graph = changed(adaptive_graph(k=50), "scores", images=["given", 0])
    graph = changed(graph, "merge", student=["given", 0], improved=["better", 0])
    given = {name: node("TestGive", name=key) for name, key in (("given", "student"), ("better", "improved"))}
    run = comfy_app.run(keep(reported({**graph, **given}, images=["given", 0]), merged=["merge", 0]))
    assert len(entries(run)) == 4
    assert run.kept["merged"][0].shape == (4, 64, 64, student)
    assert len(run.ui["report"]["adaptive_thumbnails"]) == 4


@pytest.mark.parametrize("linked", [False, True], ids=["a switch", "a switch with a linked value"])
def test_a_teacher_that_a_lazy_switch_does_not_ask_for_costs_nothing(linked, comfy_app):
    graph = reported(adaptive_graph(k=100, steps=2))
    other = {**graph["teacher"]["inputs"], "steps": 3}
    graph |= {
        "other": node("AdaptiveTeacherRefine", **other),
        "other_images": node("VAEDecode", samples=["other", 0], vae=graph["teacher_images"]["inputs"]["vae"]),
        "choice": node("PrimitiveBoolean", value=True),
        "switch": node("ComfySwitchNode", on_true=["teacher_images", 0], on_false=["other_images", 0]),
    }
    graph = changed(graph, "merge", improved=["switch", 0])
    for first, steps in ((True, 2), (False, 3), (True, 2), (False, 3)):
        graph = changed(graph, "choice", value=first)
        graph = changed(graph, "switch", switch=["choice", 0] if linked else first)
        assert costs(comfy_app.run(graph)) == [added(STUDENT, (steps, 2.0 * steps))] * 4


def test_both_teachers_count_where_one_takes_on_what_the_other_made(comfy_app):
    graph = reported(adaptive_graph(k=100, steps=2))
    second = {**graph["teacher"]["inputs"], "latent": ["teacher", 0], "steps": 3}
    graph["second"] = node("AdaptiveTeacherRefine", **second)
    graph = changed(graph, "teacher_images", samples=["second", 0])
    assert costs(comfy_app.run(graph)) == [added(STUDENT, (5, 10.0))] * 4


def of_many(app, count):
    """The report on so many tiny images, every second one rejected."""
    app.give["images"] = torch.rand(count, 8, 8, 3)
    graph = {
        "images": node("TestGive", name="images"),
        "numbers": node("TestNumbers", text=" ".join(str(i % 2) for i in range(count))),
        "gate": node("AdaptiveThresholdGate", scores=["numbers", 0], table="this run", k=50.0),
        "report": node("AdaptiveReport", images=["images", 0], decision=["gate", 0]),
    }
    return app.run(keep(graph, record=["report", 1], sheet=["report", 0]))


@pytest.mark.parametrize(("count", "pages"), [(216, 4), (217, 4), (900, 4)])
def test_the_sheet_of_many_images_is_bounded_and_says_so(comfy_app, count, pages):
    run = of_many(comfy_app, count)
    assert len(entries(run)) == count
    assert len(run.kept["sheet"][0]) == pages
    told = f"The sheet shows the first 216 of {count} images; the record has all."
    assert run.texts.get("report") == (told if count > 216 else None)
