"""Rollback: how much noise a refined image gets back, in four scales, and the sigmas from there to a clean image."""

import math

import numpy

from .schedules import NoiseSchedule, official_timesteps

SCALES = ("schedule", "variance", "official", "model sigma")


def start_sigma(scale: str, value: float, schedule: NoiseSchedule) -> float:
    """The model's sigma that a rollback of `value` (above 0) stands for.

    schedule: a fraction of the time axis, as diffusers' img2img strength. variance: the noise variance 1 - alphabar of
    arXiv 2312.10835, Algorithm 1, line 4; on flow models the flow time of equal signal-to-noise ratio. official: the first of the
    published code's timesteps depends on the steps, so ask `rollback_sigmas`; here its nominal value, as schedule.
    model sigma: the sigma itself.
    """
    _check(scale, value, schedule)
    if scale == "model sigma":
        return value
    if scale == "variance":
        noise_to_signal = math.sqrt(value / (1 - value)) if value < 1 else math.inf
        sigma = noise_to_signal / (1 + noise_to_signal) if schedule.flow and value < 1 else noise_to_signal
        return min(sigma, schedule.sigma_max)
    return schedule.sigma_at(value)


def rollback_sigmas(scale: str, value: float, steps: int, schedule: NoiseSchedule) -> list[float]:
    """Sigmas from the rollback level down to 0: `steps` + 1 of them, evenly spaced in the model's time."""
    if steps < 1:
        raise ValueError(f"steps is {steps}; choose at least 1")
    _check(scale, value, schedule)
    if scale == "official":
        return _official_sigmas(value, steps, schedule)
    start = start_sigma(scale, value, schedule)
    fraction = value if scale == "schedule" else _fraction_of(start, schedule)
    spaced = [schedule.sigma_at(fraction * (steps - i) / steps) for i in range(1, steps)]
    return _falling([start, *spaced, 0.0])


def _official_sigmas(value: float, steps: int, schedule: NoiseSchedule) -> list[float]:
    table = schedule.alphas_cumprod
    if table is None:
        raise ValueError("scale 'official' exists only for models with 1000 discrete timesteps; choose scale 'schedule'")
    alphabar = numpy.asarray(table)[official_timesteps(steps, value)]
    return [*numpy.sqrt((1 - alphabar) / alphabar).tolist(), 0.0]


def _fraction_of(sigma: float, schedule: NoiseSchedule) -> float:
    """The fraction of the time axis at which `sigma` is reached, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if schedule.sigma_at(middle) < sigma else (low, middle)
    return high


def _falling(sigmas: list[float]) -> list[float]:
    """Where a model's time axis is too coarse for the steps asked for, space them evenly in log sigma instead."""
    if all(a > b for a, b in zip(sigmas, sigmas[1:], strict=False)):
        return sigmas
    steps = len(sigmas) - 1
    return [sigmas[0] * 10 ** (-i / steps) for i in range(steps)] + [0.0]


def _check(scale: str, value: float, schedule: NoiseSchedule) -> None:
    if scale not in SCALES:
        raise ValueError(f"there is no rollback scale '{scale}'; choose one of {', '.join(SCALES)}")
    highest = schedule.sigma_max if scale == "model sigma" else 1
    if not 0 < value <= highest:
        raise ValueError(f"rollback is {value:g}; in scale '{scale}' choose a value above 0 and at most {highest:g}")
