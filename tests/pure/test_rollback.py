import math
from itertools import pairwise

import diffusers
import numpy
import pytest
import torch

from adaptive_diffusion.diffusion.rollback import SCALES, rollback_sigmas, start_sigma
from adaptive_diffusion.diffusion.schedules import DiscreteSchedule, FlowSchedule, from_diffusers, official_timesteps

torch.set_num_threads(1)

SDXL = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
EPS = from_diffusers(diffusers.EulerDiscreteScheduler(**SDXL))
ZSNR = from_diffusers(diffusers.EulerDiscreteScheduler(**SDXL, rescale_betas_zero_snr=True))
FLOW = FlowSchedule(3.0)


class ContinuousSchedule:
    """An eps model without a table, whose time axis ends in a nonsensical sigma, as ComfyUI's does."""

    flow = False
    sigma_max = 80.0
    alphas_cumprod = None

    def sigma_at(self, fraction: float) -> float:
        return 1e9 if fraction >= 1 else math.exp(-6 + fraction * (math.log(80) + 6))


class SteppedSchedule(ContinuousSchedule):
    """A time axis with 10 distinct levels only."""

    def sigma_at(self, fraction: float) -> float:
        return 0.1 + math.ceil(fraction * 10)


SCHEDULES = {"eps": EPS, "zsnr": ZSNR, "flow": FLOW, "continuous": ContinuousSchedule(), "stepped": SteppedSchedule()}


def assert_valid(sigmas: list[float], steps: int) -> None:
    assert len(sigmas) == steps + 1
    assert sigmas[-1] == 0
    assert all(high > low for high, low in pairwise(torch.tensor(sigmas).tolist()))
    assert all(isinstance(sigma, float) and math.isfinite(sigma) for sigma in sigmas)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("scale", ["schedule", "variance", "model sigma"])
def test_exactly_the_steps_asked_for_always_run(scale, name):
    schedule = SCHEDULES[name]
    highest = schedule.sigma_max if scale == "model sigma" else 1
    for percent in range(1, 101):
        value = highest * percent / 100
        start = start_sigma(scale, value, schedule)
        for steps in range(1, 51) if percent in (1, 2, 30, 70, 99, 100) or name in ("eps", "flow") else (1, 4, 12, 50):
            sigmas = rollback_sigmas(scale, value, steps, schedule)
            assert_valid(sigmas, steps)
            assert sigmas[0] == start <= schedule.sigma_max


def test_official_runs_exactly_the_steps_asked_for():
    for steps in range(1, 51):
        for percent in range(10, 100):
            assert_valid(rollback_sigmas("official", percent / 100, steps, EPS), steps)


@pytest.mark.parametrize("scale", ["schedule", "variance", "model sigma"])
@pytest.mark.parametrize("schedule", [EPS, ZSNR, FLOW], ids=["eps", "zsnr", "flow"])
@pytest.mark.parametrize("value", [1e-3, 1e-5, 1e-7])
def test_a_tiny_rollback_still_falls(scale, schedule, value):
    for steps in (1, 7, 50, 200):
        assert_valid(rollback_sigmas(scale, value, steps, schedule), steps)


@pytest.mark.parametrize(
    ("value", "eps", "zsnr", "flow"),
    [(0.1, 0.3437, 0.3571, 0.25), (0.3, 0.8319, 0.8769, 0.5625), (0.7, 3.3251, 4.1205, 0.875)],
)
def test_schedule_is_a_fraction_of_the_time_axis(value, eps, zsnr, flow):
    assert start_sigma("schedule", value, EPS) == pytest.approx(eps, rel=1e-3)
    assert start_sigma("schedule", value, ZSNR) == pytest.approx(zsnr, rel=1e-3)
    assert start_sigma("schedule", value, FLOW) == pytest.approx(flow, rel=1e-3)


def test_schedule_at_1_is_the_highest_sigma():
    assert [start_sigma("schedule", 1, s) for s in (EPS, FLOW, ContinuousSchedule())] == [EPS.sigma_max, 1.0, 80.0]


def test_schedule_is_evenly_spaced_in_time():
    assert rollback_sigmas("schedule", 0.8, 4, FLOW) == pytest.approx([12 / 13, 9 / 11, 2 / 3, 3 / 7, 0])
    expected = [math.exp(numpy.interp(999 * f, range(1000), EPS.log_sigmas)) for f in (0.7, 0.35)]
    assert rollback_sigmas("schedule", 0.7, 2, EPS) == pytest.approx([*expected, 0])


@pytest.mark.parametrize("scale", ["variance", "model sigma"])
def test_other_scales_are_evenly_spaced_in_time_too(scale):
    value = start_sigma("schedule", 0.7, EPS)
    value = value if scale == "model sigma" else value**2 / (1 + value**2)
    assert rollback_sigmas(scale, value, 12, EPS) == pytest.approx(rollback_sigmas("schedule", 0.7, 12, EPS), rel=1e-6)


@pytest.mark.parametrize("variance", [0.1, 0.3, 0.5, 0.9])
def test_variance_is_one_minus_alphabar(variance):
    sigma = start_sigma("variance", variance, EPS)
    assert sigma**2 / (1 + sigma**2) == pytest.approx(variance)
    flow_time = start_sigma("variance", variance, FLOW)
    assert flow_time / (1 - flow_time) == pytest.approx(sigma)


def test_variance_stops_at_the_highest_sigma():
    assert start_sigma("variance", 0.9999, EPS) == start_sigma("variance", 1, EPS) == EPS.sigma_max
    assert start_sigma("variance", 1, FLOW) == 1


def test_model_sigma_is_itself():
    assert start_sigma("model sigma", 2.5, EPS) == rollback_sigmas("model sigma", 2.5, 3, EPS)[0] == 2.5
    assert start_sigma("model sigma", EPS.sigma_max, EPS) == EPS.sigma_max


def test_official_is_the_published_codes_timesteps():
    scheduler = diffusers.UniPCMultistepScheduler(**SDXL, timestep_spacing="leading")
    scheduler.set_timesteps(18)
    assert official_timesteps(12, 0.7) == scheduler.timesteps[6:].tolist()
    assert rollback_sigmas("official", 0.7, 12, EPS) == pytest.approx(scheduler.sigmas[6:].tolist(), rel=1e-5)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("value", [0, -0.1, 1.01, 20, math.nan, math.inf])
def test_a_rollback_outside_the_scale_is_refused(scale, value):
    if scale == "model sigma" and value == 1.01:
        value = EPS.sigma_max * 1.01
    problem = rf"rollback is {value:g}; in scale '{scale}' choose a value above 0 and at most (1|14.6146)$"
    for call in (lambda: start_sigma(scale, value, EPS), lambda: rollback_sigmas(scale, value, 4, EPS)):
        with pytest.raises(ValueError, match=problem):
            call()


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("steps", [0, -3])
def test_steps_below_1_are_refused(scale, steps):
    with pytest.raises(ValueError, match=f"steps is {steps}; choose at least 1"):
        rollback_sigmas(scale, 0.5, steps, EPS)


@pytest.mark.parametrize("schedule", [FLOW, ContinuousSchedule(), DiscreteSchedule(numpy.linspace(0.99, 0.01, 100))])
def test_official_is_refused_for_models_it_was_not_made_for(schedule):
    for call in (lambda: start_sigma("official", 0.7, schedule), lambda: rollback_sigmas("official", 0.7, 4, schedule)):
        with pytest.raises(ValueError, match="'official' is only for models with 1000 .*; choose scale 'schedule'"):
            call()


@pytest.mark.parametrize(("value", "problem"), [(1, "one step too many"), (0.01, "schedule of 5001 steps, more than")])
def test_official_is_refused_where_it_would_run_other_steps(value, problem):
    with pytest.raises(ValueError, match=f"{problem}.*choose scale 'schedule'"):
        rollback_sigmas("official", value, 50, EPS)


def test_an_unknown_scale_is_refused():
    with pytest.raises(ValueError, match="no rollback scale 'strength'; choose one of schedule, variance, official"):
        start_sigma("strength", 0.5, EPS)
