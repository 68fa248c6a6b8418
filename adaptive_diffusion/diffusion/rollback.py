"""Rollback: how much noise a refined image gets back, in four scales, and the sigmas from there to a clean image."""

import math
from itertools import pairwise

import numpy

from ..quoting import quoted
from .schedules import TRAIN_STEPS, NoiseSchedule, official_timesteps

SCALES = ("schedule", "variance", "official", "model sigma")


def check_scale(scale: str, value: float, sigma_max: float = math.inf) -> None:
    """ValueError unless there is such a scale, and a rollback of `value` in it; sigma_max: the model's, if known."""
    if scale not in SCALES:
        raise ValueError(f"there is no rollback scale {quoted(scale)}; choose one of {', '.join(SCALES)}")
    highest = sigma_max if scale == "model sigma" else 1
    if not 0 < value <= highest:
        raise ValueError(
            f"rollback is {value:g}; in scale {quoted(scale)} choose a value above 0 and at most {highest:g}"
        )


def start_sigma(scale: str, value: float, schedule: NoiseSchedule) -> float:
    """The model's sigma that a rollback of `value` (above 0) stands for; never more than the schedule's highest.

    schedule: a fraction of the time axis, as diffusers' img2img strength. variance: the noise variance 1 - alphabar of
    arXiv 2312.10835, Algorithm 1, line 4; on flow models the flow time of equal signal-to-noise ratio. official: as
    schedule, because the published code's first timestep depends on the steps; ask `rollback_sigmas`. model sigma: the
    sigma itself. ValueError for a value that the scale or the model does not have.
    """
    _check(scale, value, schedule)
    if scale == "model sigma":
        return float(value)
    sigma = _sigma_of_variance(value, schedule.flow) if scale == "variance" else schedule.sigma_at(value)
    return min(sigma, schedule.sigma_max)


def rollback_sigmas(scale: str, value: float, steps: int, schedule: NoiseSchedule) -> list[float]:
    """Sigmas from the rollback level down to 0, `steps` + 1 of them and so exactly `steps` evaluations.

    Evenly spaced in the model's time; in scale `official` the published code's timesteps. ValueError as in
    `start_sigma`, for steps below 1, and where the published code would not run `steps` evaluations.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; choose at least 1")
    start = start_sigma(scale, value, schedule)
    if scale == "official":
        return [*map(schedule.sigma_of_timestep, official_timesteps(steps, value)), 0.0]
    fraction = value if scale == "schedule" else _fraction_of(start, schedule)
    spaced = [schedule.sigma_at(fraction * (steps - i) / steps) for i in range(1, steps)]
    return _falling([start, *spaced, 0.0])


def _sigma_of_variance(variance: float, flow: bool) -> float:
    if variance == 1:
        return math.inf
    noise_to_signal = math.sqrt(variance / (1 - variance))
    return noise_to_signal / (1 + noise_to_signal) if flow else noise_to_signal


def _fraction_of(sigma: float, schedule: NoiseSchedule) -> float:
    """The fraction of the time axis at which `sigma` is reached, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if schedule.sigma_at(middle) < sigma else (low, middle)
    return high


def _falling(sigmas: list[float]) -> list[float]:
    """Where a model's time axis has no distinct levels below the start, one decade evenly spaced in log sigma."""
    if all(high > low for high, low in pairwise(numpy.asarray(sigmas, dtype=numpy.float32))):
        return sigmas
    steps = len(sigmas) - 1
    return [sigmas[0] * 10 ** (-i / steps) for i in range(steps)] + [0.0]


def _check(scale: str, value: float, schedule: NoiseSchedule) -> None:
    check_scale(scale, value, schedule.sigma_max)
    if scale == "official" and not _has_official_timesteps(schedule):
        raise ValueError(
            f"rollback scale 'official' is only for models with {TRAIN_STEPS} discrete timesteps; "
            "choose scale 'schedule'"
        )


def _has_official_timesteps(schedule: NoiseSchedule) -> bool:
    table = schedule.alphas_cumprod
    return table is not None and len(table) == TRAIN_STEPS
