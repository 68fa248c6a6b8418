import math
from types import SimpleNamespace

import diffusers
import numpy
import pytest
import torch

from adaptive_diffusion.diffusion.schedules import (
    DiscreteSchedule,
    from_diffusers,
    lcm_timesteps,
    leading_timesteps,
    official_timesteps,
    trailing_timesteps,
)

torch.set_num_threads(1)

SDXL = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
COUNTS = range(1, 51)


def timesteps(scheduler, steps: int) -> list[int]:
    scheduler.set_timesteps(steps)
    return scheduler.timesteps.round().int().tolist()


def test_lcm_is_diffusers_lcm_for_1_to_50_steps():
    scheduler = diffusers.LCMScheduler(**SDXL)
    assert [lcm_timesteps(n) for n in COUNTS] == [timesteps(scheduler, n) for n in COUNTS]
    assert lcm_timesteps(4) == [999, 759, 499, 259]


def test_trailing_is_diffusers_trailing_for_1_to_50_steps():
    scheduler = diffusers.EulerAncestralDiscreteScheduler(**SDXL, timestep_spacing="trailing")
    assert [trailing_timesteps(n) for n in COUNTS] == [timesteps(scheduler, n) for n in COUNTS]
    assert trailing_timesteps(3) == [999, 666, 332]


def test_lcm_from_a_picture_is_diffusers_lcm_at_that_strength():
    scheduler = diffusers.LCMScheduler(**SDXL)
    for percent in range(2, 100):
        for n in range(1, int(50 * (percent / 100)) + 1):
            scheduler.set_timesteps(n, original_inference_steps=50, strength=percent / 100)
            assert lcm_timesteps(n, percent / 100) == scheduler.timesteps.tolist(), (n, percent)


def test_trailing_from_a_picture_is_what_diffusers_img2img_runs_of_the_shortest_list():
    scheduler = diffusers.EulerAncestralDiscreteScheduler(**SDXL, timestep_spacing="trailing")
    get_timesteps = diffusers.StableDiffusionImg2ImgPipeline.get_timesteps
    for percent in (1, 7, 10, 25, 29, 30, 33, 50, 58, 60, 70, 75, 90, 99):
        shortest: dict[int, list[int]] = {}
        for total in range(1, 60):
            scheduler.set_timesteps(total)
            run, _ = get_timesteps(SimpleNamespace(scheduler=scheduler), total, percent / 100, "cpu")
            shortest.setdefault(len(run), run.round().int().tolist())
        for n in shortest.keys() - {0}:
            assert trailing_timesteps(n, percent / 100) == shortest[n], (n, percent)


def test_leading_is_that_of_diffusers_unipc_for_1_to_998_steps():
    scheduler = diffusers.UniPCMultistepScheduler(**SDXL, timestep_spacing="leading")
    counts = [*COUNTS, 333, 499, 998]
    assert [leading_timesteps(n) for n in counts] == [timesteps(scheduler, n) for n in counts]
    assert leading_timesteps(4) == [801, 601, 401, 201]


def test_trailing_falls_strictly_for_any_number_of_steps():
    for n in range(1, 1001):
        listed = trailing_timesteps(n)
        assert len(listed) == n
        assert listed == sorted(set(listed), reverse=True)


def test_official_runs_exactly_the_steps_asked_for():
    refused = 0
    for steps in COUNTS:
        for percent in range(1, 100):
            if int(steps / (percent / 100) + 1) > 999:
                with pytest.raises(ValueError, match="more than scale 'official' has; choose scale 'schedule'"):
                    official_timesteps(steps, percent / 100)
                refused += 1
                continue
            listed = official_timesteps(steps, percent / 100)
            assert len(listed) == steps
            assert listed == sorted(set(listed), reverse=True)
    assert refused == 105


def test_the_longest_official_schedule_has_999_steps():
    assert official_timesteps(1, 1 / 998.5) == [2]
    with pytest.raises(ValueError, match="need a schedule of 1000 steps"):
        official_timesteps(1, 1 / 999.5)


def test_official_timesteps_of_the_published_examples():
    assert official_timesteps(12, 0.7) == [625, 573, 521, 469, 417, 365, 313, 261, 209, 157, 105, 53]
    assert official_timesteps(4, 0.3) == [265, 199, 133, 67]
    assert official_timesteps(4, 0.4) == [333, 250, 167, 84]


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda: lcm_timesteps(0), "steps is 0; scheduler 'lcm' has 1 to 50"),
        (lambda: lcm_timesteps(51), "steps is 51; scheduler 'lcm' has 1 to 50"),
        (lambda: lcm_timesteps(11, 0.2), "steps is 11; scheduler 'lcm' has 1 to 10 steps at denoise 0.2"),
        (lambda: trailing_timesteps(11, 0.01), "steps is 11; scheduler 'trailing' has 1 to 10 steps at denoise 0.01"),
        (lambda: trailing_timesteps(0), "steps is 0; scheduler 'trailing' has 1 to 1000"),
        (lambda: trailing_timesteps(1001), "steps is 1001; scheduler 'trailing'"),
        (lambda: leading_timesteps(0), "steps is 0; scheduler 'leading' has 1 to 998"),
        (lambda: leading_timesteps(999), "steps is 999; scheduler 'leading'"),
        (lambda: official_timesteps(0, 0.5), "steps is 0; choose at least 1"),
        (lambda: official_timesteps(4, 1.0), "rollback is 1; .* choose scale 'schedule'"),
        (lambda: official_timesteps(4, 0.0), "rollback is 0; "),
        (lambda: official_timesteps(4, math.nan), "rollback is nan; "),
    ],
)
def test_steps_that_a_list_does_not_have_are_refused(call, problem):
    with pytest.raises(ValueError, match=problem):
        call()


def test_discrete_schedule_is_the_sigma_table_with_log_linear_steps_between():
    scheduler = diffusers.EulerDiscreteScheduler(**SDXL)
    schedule = from_diffusers(scheduler)
    table = ((1 - scheduler.alphas_cumprod) / scheduler.alphas_cumprod).sqrt().tolist()
    assert not schedule.flow
    assert [schedule.sigma_at(t / 999) for t in range(1000)] == pytest.approx(table, rel=1e-6)
    assert schedule.sigma_at(300.25 / 999) == pytest.approx(table[300] ** 0.75 * table[301] ** 0.25, rel=1e-6)
    assert schedule.sigma_max == schedule.sigma_at(1) == pytest.approx(14.6146, abs=1e-3)


@pytest.mark.parametrize("scheduler", [diffusers.DDIMScheduler, diffusers.UniPCMultistepScheduler])
def test_zero_terminal_snr_has_diffusers_finite_sigma(scheduler):
    schedule = from_diffusers(scheduler(**SDXL, rescale_betas_zero_snr=True, prediction_type="v_prediction"))
    assert schedule.sigma_max == pytest.approx(4096, rel=1e-3)
    assert numpy.isfinite(schedule.log_sigmas).all()


@pytest.mark.parametrize(
    "scheduler",
    [
        diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        diffusers.UniPCMultistepScheduler(use_flow_sigmas=True, flow_shift=3.0, prediction_type="flow_prediction"),
    ],
)
def test_flow_schedule_is_diffusers_shifted_time(scheduler):
    schedule = from_diffusers(scheduler)
    assert (schedule.flow, schedule.sigma_max, schedule.alphas_cumprod) == (True, 1.0, None)
    reference = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0).sigmas.tolist()
    assert [schedule.sigma_at(i / 1000) for i in range(1000, 0, -1)] == pytest.approx(reference, abs=1e-6)


@pytest.mark.parametrize(("kind", "shift"), [("exponential", math.exp(1.15)), ("linear", 1.15)])
def test_a_shift_by_the_images_size_follows_from_mu(kind, shift):
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, time_shift_type=kind)
    scheduler.set_timesteps(10, mu=1.15)
    fractions = numpy.linspace(1, 0.001, 10)
    schedule = from_diffusers(scheduler, mu=1.15)
    assert schedule.shift == shift
    assert [schedule.sigma_at(f) for f in fractions] == pytest.approx(scheduler.sigmas[:-1].tolist(), abs=1e-6)
    with pytest.raises(ValueError, match="shifts time by the image size; give that size's mu"):
        from_diffusers(scheduler)


def test_a_scheduler_without_a_schedule_is_refused_by_name():
    with pytest.raises(ValueError, match="EDMEulerScheduler has no noise schedule known here"):
        from_diffusers(diffusers.EDMEulerScheduler())


def test_a_table_is_copied_into_double_precision():
    table = numpy.linspace(0.99, 0.01, 20, dtype=numpy.float32)
    schedule = DiscreteSchedule(table)
    table[:] = 0.5
    assert schedule.alphas_cumprod.dtype == numpy.float64
    assert schedule.alphas_cumprod[0] == pytest.approx(0.99)
