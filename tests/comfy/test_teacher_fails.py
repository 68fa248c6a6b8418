"""An image of the teacher's that is none never takes the place of the student's."""

import pytest
import torch
from graphs import adaptive_graph, changed, keep

from .conftest import nodes


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
    run = comfy_app.run(keep(graph, drawn=["teacher", 0], student=["student", 0], merged=["merge", 0]))
    drawn, student = run.kept["drawn"][0]["samples"], run.kept["student"][0]["samples"]
    assert torch.equal(drawn[0], student[0])
    assert all(not torch.equal(drawn[i], student[i]) for i in range(1, len(drawn)))
    assert run.kept["merged"][0].isfinite().all()
    assert run.texts["teacher"].startswith("1 of 4 images came out with NaN or infinite values, so the student's are")


def test_nothing_is_said_where_all_came_out(comfy_app):
    run = comfy_app.run(adaptive_graph(k=100, steps=2))
    assert "teacher" not in run.texts
