"""What an image costs, as told before a run, is what is counted where the network is called."""

import pytest
import torch

from .tools import module, tiny_model

STEPS = range(1, 9)
SHAPE = (1, 4, 8, 8)
SCHEDULER = "simple"
WAYS = {"cfg 1": (1.0, False), "cfg 1 with a negative": (1.0, True), "cfg 3": (3.0, True)}


@pytest.fixture(params=["EPS", "FLOW"])
def model(request):
    """A model of which nothing but its evaluations matters."""
    made = tiny_model(request.param)
    made.model.diffusion_model.forward = lambda x, *_, **__: x / 2
    return made


def counted(model, sampler: str, steps: int, cfg: float, negative: bool):
    """What sampling an image really took."""
    call, samplers, schedules = (module(f"host.sampling.{name}") for name in ("call", "samplers", "schedules"))
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
    text, latent = [[torch.zeros(1, 5, 32), {}]], {"samples": torch.zeros(SHAPE)}
    sigmas = schedules.full_sigmas(model, SCHEDULER, steps, sampler)
    how = samplers.make_sampler(sampler, schedules.ModelSchedule.of(model).flow, SCHEDULER)
    told = call.Silent().callback(steps)
    drawn = call.sample(model, text, text if negative else None, cfg, noise, latent, how, sigmas, 1, told)
    return drawn.spent


@pytest.mark.filterwarnings("ignore")
def test_evaluations_are_those_counted_of_every_sampler_that_is_offered(model):
    cost, names = module("adaptive_diffusion.gate.cost"), module("host.sampling.samplers").sampler_names()
    told, found = {}, {}
    for case in ((name, steps, way) for name in names for steps in STEPS for way in WAYS):
        name, steps, way = case
        told[case] = (steps, cost.evaluations(steps, WAYS[way][0], name, WAYS[way][1]))
        spent = counted(model, name, steps, *WAYS[way])
        found[case] = (spent.steps, spent.evaluations)
    assert {case: (told[case], found[case]) for case in told if told[case] != found[case]} == {}
