"""A rejected image gets exactly the steps asked for, with any schedule, scale and family."""

import comfy.model_base
import comfy.sample
import comfy.samplers
import pytest
import torch
from graphs import keep, node

from .tools import module, tiny_model

SCHEDULERS = ["uniform", *comfy.samplers.KSampler.SCHEDULERS]
ROWS = 2


@pytest.mark.parametrize("family", ["EPS", "ZSNR", "FLOW"])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_schedule_enters_at_the_rollback_level_and_falls_to_zero(family, scheduler):
    schedules = module("host.sampling.schedules")
    model = tiny_model(family)
    schedule = schedules.ModelSchedule(model.get_model_object("model_sampling"))
    for rollback in (0.001, 0.3, 1.0):
        for steps in (1, 2, 12):
            sigmas = schedules.entered_sigmas(model, scheduler, steps, "schedule", rollback, "euler")
            assert len(sigmas) == steps + 1
            assert sigmas[0].item() == pytest.approx(schedule.sigma_at(rollback), rel=2e-4)
            assert (sigmas[1:] < sigmas[:-1]).all()
            assert sigmas[-1] == 0


def teacher_graph(comfy_app, model, kind: str = "AdaptiveTeacherRefine", **settings):
    """A teacher node on two images of a tiny model, one of which is rejected."""
    generator = torch.Generator().manual_seed(1)
    comfy_app.give["model"] = model
    comfy_app.give["latent"] = {"samples": torch.randn(ROWS, 4, 8, 8, generator=generator)}
    comfy_app.give["text"] = [[torch.randn(1, 5, 32, generator=generator), {}]]
    fixed = {"seed": 1, "cfg": 3.0, "sampler_name": "euler", "scheduler": "uniform", "max_batch": 16}
    graph = {name: node("TestGive", name=name) for name in ("model", "latent", "text")}
    graph["scores"] = node("TestNumbers", text="1 2")
    graph["gate"] = node("AdaptiveThresholdGate", scores=["scores", 0], table="this run", k=50.0)
    links = {"decision": "gate", "latent": "latent", "model": "model", "positive": "text", "negative": "text"}
    graph["teacher"] = node(kind, **{**fixed, **settings}, **{name: [source, 0] for name, source in links.items()})
    return keep(graph, improved=["teacher", 0])


@pytest.fixture
def calls(monkeypatch) -> list[tuple[int, float]]:
    """Rows and timestep of every model evaluation."""
    seen: list[tuple[int, float]] = []
    original = comfy.model_base.BaseModel.apply_model

    def counted(self, x, t, *arguments, **options):
        seen.append((x.shape[0], float(t[0])))
        return original(self, x, t, *arguments, **options)

    monkeypatch.setattr(comfy.model_base.BaseModel, "apply_model", counted)
    return seen


@pytest.mark.parametrize("sampler", ["unipc_diffusers", "euler", "dpmpp_2m_sde"])
@pytest.mark.parametrize(
    ("scale", "rollback"), [("schedule", 0.7), ("variance", 0.4), ("official", 0.4), ("model sigma", 2.0)]
)
def test_refining_evaluates_the_model_once_a_step(sampler, scale, rollback, comfy_app, calls):
    for steps in (1, 4):
        calls.clear()
        settings = {"steps": steps, "rollback": rollback, "rollback_scale": scale, "sampler_name": sampler}
        assert comfy_app.run(teacher_graph(comfy_app, tiny_model("EPS"), **settings)).error is None
        assert [rows for rows, _ in calls] == [2] * steps


def test_without_guidance_a_step_costs_one_row(comfy_app, calls):
    settings = {"steps": 3, "rollback": 0.5, "rollback_scale": "schedule", "cfg": 1.0}
    assert comfy_app.run(teacher_graph(comfy_app, tiny_model("EPS"), **settings)).error is None
    assert [rows for rows, _ in calls] == [1] * 3


@pytest.mark.parametrize("scheduler", ["uniform", "normal", "karras", "beta"])
def test_regenerating_evaluates_the_model_once_a_step_from_the_top(scheduler, comfy_app, calls):
    model = tiny_model("EPS")
    graph = teacher_graph(comfy_app, model, "AdaptiveTeacherRegenerate", steps=4, scheduler=scheduler)
    assert comfy_app.run(graph).error is None
    assert [rows for rows, _ in calls] == [2] * 4
    assert calls[0][1] == pytest.approx(float(model.get_model_object("model_sampling").sigma_max), rel=1e-3)


def test_linked_sigmas_are_entered_at_the_rollback_level(comfy_app, calls):
    model = tiny_model("EPS")
    start = module("host.sampling.schedules").ModelSchedule(model.get_model_object("model_sampling")).sigma_at(0.5)
    settings = {"steps": 30, "rollback": 0.5, "rollback_scale": "schedule"}
    graph = teacher_graph(comfy_app, model, **settings)
    comfy_app.give["sigmas"] = torch.tensor([14.6, 5.0, start / 2, start / 4, 0.0])
    graph["sigmas"] = node("TestGive", name="sigmas")
    graph["teacher"]["inputs"]["sigmas"] = ["sigmas", 0]
    assert comfy_app.run(graph).error is None
    assert [sigma for _, sigma in calls] == pytest.approx([start, start / 2, start / 4], rel=1e-4)


def test_refining_does_not_start_from_the_noise_of_the_students_own_seed(comfy_app, monkeypatch):
    starts = []
    sampling = module("host.sampling.teacher")
    original = sampling.row_noise
    monkeypatch.setattr(sampling, "row_noise", lambda *arguments: starts.append(original(*arguments)) or starts[-1])
    model, settings = tiny_model("EPS"), {"steps": 1, "rollback": 0.7, "rollback_scale": "schedule"}
    comfy_app.run(teacher_graph(comfy_app, model, **settings))
    comfy_app.run(teacher_graph(comfy_app, model, "AdaptiveTeacherRegenerate", steps=1))
    refined, regenerated = starts
    assert torch.equal(regenerated, comfy.sample.prepare_noise(torch.zeros(ROWS, 4, 8, 8), 1)[[0]])
    assert torch.corrcoef(torch.stack([refined.flatten(), regenerated.flatten()]))[0, 1].abs() < 0.3
