"""What an image costs, as told before a run, is what is counted where the network is called."""

import json

import pytest
import torch
from graphs import Graph, changed, keep, node

from .test_budget import EVALUATIONS, budget
from .test_counts import calls as calls
from .test_counts import teacher_graph
from .test_rows_apart import sampler_names as offered
from .tools import module, tiny_model

STEPS = range(1, 9)
SHAPE = (1, 4, 8, 8)
SCHEDULER = "simple"
WAYS = {"cfg 1": (1.0, False), "cfg 1 with a negative": (1.0, True), "cfg 3": (3.0, True)}


def quick(family: str):
    """A model of which nothing but its evaluations matters."""
    made = tiny_model(family)
    made.model.diffusion_model.forward = lambda x, *_, **__: x / 2
    return made


def sampled(model, sampler: str, steps: int, cfg: float, negative: bool):
    """An image of noise, and what it really took; the negative is the prompt again."""
    call, samplers, schedules = (module(f"host.sampling.{name}") for name in ("call", "samplers", "schedules"))
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
    text, latent = [[torch.zeros(1, 5, 32), {}]], {"samples": torch.zeros(SHAPE)}
    sigmas = schedules.full_sigmas(model, SCHEDULER, steps, sampler)
    how = samplers.make_sampler(sampler, schedules.ModelSchedule.of(model).flow, SCHEDULER)
    told = call.Silent().callback(steps)
    return call.sample(model, text, text if negative else None, cfg, noise, latent, how, sigmas, 1, told)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", ["EPS", "FLOW"])
def test_evaluations_are_those_counted_of_every_sampler_that_is_offered(family):
    model, names = quick(family), module("host.sampling.samplers").sampler_names()
    cost = module("adaptive_diffusion.gate.cost")
    told, found = {}, {}
    for case in ((name, steps, way) for name in names for steps in STEPS for way in WAYS):
        name, steps, way = case
        told[case] = (steps, cost.evaluations(steps, WAYS[way][0], name, WAYS[way][1]))
        spent = sampled(model, name, steps, *WAYS[way]).spent
        found[case] = (spent.steps, spent.evaluations)
    assert {case: (told[case], found[case]) for case in told if told[case] != found[case]} == {}


CFG_PP = [name for name in offered() if name.endswith("_cfg_pp")]


@pytest.mark.parametrize("family", ["EPS", "FLOW"])
@pytest.mark.parametrize("sampler", CFG_PP)
def test_without_a_negative_the_prompt_stands_in_its_place_for_samplers_that_step_by_it(sampler, family):
    model, steps = tiny_model(family), 4
    torch.manual_seed(0)
    alone, spent = sampled(model, sampler, steps, 1.0, negative=False)
    torch.manual_seed(0)
    beside, twice = sampled(model, sampler, steps, 1.0, negative=True)
    assert (alone - beside).abs().max() <= 1e-5 * beside.std()
    assert 2 * spent.evaluations == twice.evaluations


def test_seven_samplers_step_by_the_negative():
    assert len(CFG_PP) == 7


def test_guidance_of_cfg_pp_is_none_where_both_are_the_prompt():
    model = tiny_model("EPS")
    plain, guided = (sampled(model, name, 5, 1.0, negative=False).samples for name in ("euler", "euler_cfg_pp"))
    assert (plain - guided).abs().max() <= 1e-5 * plain.std()


def graph(comfy_app, model, sampler: str, cfg: float, negative: bool) -> Graph:
    """Two images by a sampler in 3 steps, one of them redrawn by it in 4; what Report and Budget say is kept."""
    parts = teacher_graph(comfy_app, model, "AdaptiveTeacherRegenerate", steps=4, sampler_name=sampler, cfg=cfg)
    comfy_app.give["images"] = torch.rand(2, 64, 64, 3)
    drawing = {name: ["text", 0] for name in (("positive", "negative") if negative else ("positive",))}
    how = {"seed": 1, "cfg": cfg, "sampler_name": sampler, "scheduler": SCHEDULER, "denoise": 1.0}
    merging = {"size": "student", "width": 64, "height": 64, "resize_method": "bicubic"}
    parts |= {
        "number": node("TestNumbers", text="50"),
        "images": node("TestGive", name="images"),
        "student": node(
            "AdaptiveStudentSample", model=["model", 0], latent_image=["latent", 0], steps=3, **how, **drawing
        ),
        "merge": node(
            "AdaptiveMerge", decision=["gate", 0], student=["student", 0], improved=["teacher", 0], **merging
        ),
        "report": node("AdaptiveReport", images=["images", 0], decision=["merge", 1]),
        **budget(1.0, EVALUATIONS, student=["student", 1], k=["number", 0], teacher_steps=4, cfg=cfg,
            sampler_name=sampler, negative=negative),
    }  # fmt: skip
    links = {"student": ["student", 1], "latent": ["student", 0], "negative": ["text", 0] if negative else None}
    parts = changed(changed(parts, "gate", student=links.pop("student")), "teacher", **links)
    return keep(parts, record=["report", 1])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sampler", offered())
def test_report_and_budget_say_what_was_counted(comfy_app, calls, sampler, way):
    run = comfy_app.run(graph(comfy_app, quick("EPS"), sampler, *WAYS[way]))
    assert run.error is None
    entries = json.loads(run.kept["record"][0])
    assert sum(entry["evaluations"] for entry in entries) == sum(rows for rows, _ in calls) > 0
    assert sum(entry["steps"] for entry in entries) == 3 + 3 + 4
    assert run.kept["average"] == [sum(entry["evaluations"] for entry in entries) / 2]
