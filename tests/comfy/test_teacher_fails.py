"""An image of the teacher's that is none never takes the place of the student's."""

import pytest
import torch
from graphs import adaptive_graph, changed, keep, node

import nodes as core

from .conftest import nodes
from .test_best_of_n import searching
from .test_report import entries, reported, second_look


@pytest.fixture
def teacher_fails(monkeypatch):
    """The demo's teacher answers with NaN for the rows that `broken` names, of each batch it evaluates."""

    def fail(value: float = float("nan")):
        load = nodes()["AdaptiveLoadDemoModels"].run.__func__

        def loading(cls, role):
            output = load(cls, role)
            if role == "teacher":
                model = output.args[0].model.diffusion_model
                model.register_forward_hook(lambda _module, _inputs, out: out.index_fill(0, torch.tensor([0]), value))
            return output

        monkeypatch.setattr(nodes()["AdaptiveLoadDemoModels"], "run", classmethod(loading))

    return fail


@pytest.mark.parametrize("cfg", [1.0, 3.0])
@pytest.mark.parametrize("teacher", ["refine", "regenerate"])
def test_a_row_that_is_not_finite_leaves_the_students(comfy_app, teacher_fails, teacher, cfg):
    teacher_fails()
    graph = changed(adaptive_graph(k=100, steps=2), "teacher", cfg=cfg)
    if teacher == "regenerate":
        graph["teacher"]["class_type"] = "AdaptiveTeacherRegenerate"
        graph = changed(graph, "teacher", rollback=None, rollback_scale=None)
    graph = reported(keep(graph, drawn=["teacher", 0], student=["student", 0], merged=["merge", 0]))
    run = comfy_app.run(keep(graph, pictures=["student_images", 0], told=["merge", 1]))
    drawn, student = run.kept["drawn"][0]["samples"], run.kept["student"][0]["samples"]
    assert torch.equal(drawn[0], student[0])
    assert all(not torch.equal(drawn[i], student[i]) for i in range(1, len(drawn)))
    assert run.kept["merged"][0].isfinite().all()
    assert torch.equal(run.kept["merged"][0][0], run.kept["pictures"][0][0])
    assert [entry["verdict"] for entry in entries(run)] == ["teacher failed", *["rejected"] * 3]
    assert [entry["taken"] for entry in entries(run)] == [False, True, True, True]
    assert run.kept["told"][0].taken == (1, 2, 3)
    assert entries(run)[0]["final_score"] == entries(run)[0]["score"] and entries(run)[0]["steps"] == 4
    assert run.texts["teacher"].startswith(
        "teacher failed: 1 of 4 images came out black or not finite, so the student's"
    )


def test_nothing_is_said_where_all_came_out(comfy_app):
    run = comfy_app.run(adaptive_graph(k=100, steps=2))
    assert "teacher" not in run.texts


@pytest.mark.parametrize("broken", [0, 1], ids=["the first", "the second"])
def test_searching_never_keeps_a_candidate_that_is_not_finite(comfy_app, monkeypatch, broken):
    graph = searching(k=100.0, limit=2)
    alone = comfy_app.run(keep(searching(k=100.0, limit=1 + (broken == 0)), images=["best", 1])).kept["images"][0]
    decode, calls = core.VAEDecode.decode, []

    def decoded(self, vae, samples):
        calls.append(samples)
        pixels = decode(self, vae, samples)[0]
        return (torch.full_like(pixels, torch.nan) if len(calls) == 1 + broken else pixels,)

    comfy_app.executor.reset()
    monkeypatch.setattr(core.VAEDecode, "decode", decoded)
    run = comfy_app.run({name: each for name, each in graph.items() if name not in ("student_images", "plain_scores")})
    assert run.error is None and len(calls) == 2
    assert run.kept["images"][0].isfinite().all()
    assert broken == 0 or torch.equal(run.kept["images"][0], alone)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, 0.0], ids=["NaN", "infinite", "black"])
def test_merge_keeps_the_students_where_the_improved_image_is_none(comfy_app, value):
    graph = keep(
        adaptive_graph(k=100, steps=2), merged=["merge", 0], decision=["merge", 1], student=["student_images", 0]
    )
    graph = reported({**graph, "broken": node("TestGive", name="broken")})
    student = comfy_app.run(graph).kept["student"][0]
    broken = student.flip(0).clone()
    broken[2] = value
    comfy_app.give["broken"] = broken
    run = comfy_app.run(changed(graph, "merge", improved=["broken", 0]))
    merged = run.kept["merged"][0]
    assert torch.equal(merged[2], student[2]) and torch.equal(merged[:2], broken[:2])
    assert run.kept["decision"][0].taken == (0, 1, 3)
    assert [entry["verdict"] for entry in entries(run)] == ["rejected", "rejected", "teacher failed", "rejected"]
    assert run.texts["merge"].startswith("teacher failed: 1 of 4 images came out black or not finite, so the")


def test_a_teacher_that_failed_in_another_run_does_not_count_in_this(comfy_app, teacher_fails):
    teacher_fails()
    graph = reported(adaptive_graph(k=100, steps=2))
    assert entries(comfy_app.run(graph))[0]["verdict"] == "teacher failed"
    run = comfy_app.run(changed(graph, "merge", improved=["student_images", 0]))
    assert {entry["verdict"] for entry in entries(run)} == {"rejected"}
    assert {entry["taken"] for entry in entries(run)} == {True}


def test_a_black_image_replaces_a_black_one(comfy_app):
    graph = keep(adaptive_graph(k=100, steps=2), decision=["merge", 1])
    comfy_app.give["black"] = torch.zeros(4, 64, 64, 3)
    graph["black"] = node("TestGive", name="black")
    graph = changed(graph, "merge", improved=["black", 0], student=["black", 0])
    assert comfy_app.run(graph).kept["decision"][0].taken == (0, 1, 2, 3)


@pytest.mark.parametrize("value", [torch.nan, torch.inf], ids=["NaN", "infinite"])
def test_a_second_look_at_what_is_no_image_scores_the_others_and_the_run_goes_on(comfy_app, value):
    graph = second_look(reported(adaptive_graph(k=100, steps=2)), images="broken")
    graph["broken"] = node("TestGive", name="broken")
    graph = keep(graph, merged=["merge", 0], student=["student_images", 0], second=["second_look", 0])
    student = comfy_app.run(keep(adaptive_graph(k=100, steps=2), student=["student_images", 0])).kept["student"][0]
    broken = torch.rand(student.shape, generator=torch.Generator().manual_seed(1))
    broken[2, :4] = value
    comfy_app.give["broken"] = broken
    graph = changed(graph, "merge", improved=["broken", 0], improved_scores=["second_look", 0])
    run = comfy_app.run(changed(graph, "report", final_scores=["second_look", 0]))
    assert run.error is None and run.kept["merged"][0].isfinite().all()
    assert torch.equal(run.kept["merged"][0][2], student[2])
    assert entries(run)[2]["verdict"] == "teacher failed" and entries(run)[2]["final_score"] == entries(run)[2]["score"]
    assert "teacher failed: 1 of 4 images came out black or not finite" in run.texts["second_look"]
    comfy_app.give["broken"] = broken.nan_to_num(0, 0, 0)
    others = comfy_app.run(changed(graph, "broken", name="broken")).kept["second"][0].values
    assert [run.kept["second"][0].values[i] for i in (0, 1, 3)] == [others[i] for i in (0, 1, 3)]
