"""Noise schedules, and the exact timestep lists of few-step models."""

from typing import Any, Protocol

import numpy
import torch

TRAIN_STEPS = 1000
LCM_POINTS = 50
LOWEST_ALPHABAR = 2.0**-24


class NoiseSchedule(Protocol):
    """How noise grows along a model's time axis. Sigma is noise over signal, or, on flow models, the flow time."""

    flow: bool
    sigma_max: float

    @property
    def alphas_cumprod(self) -> numpy.ndarray | None:
        """alphabar of every training timestep; None for flow and continuous models."""

    def sigma_at(self, fraction: float) -> float:
        """Sigma at a fraction 0..1 of the time axis, 1 being pure noise."""


class DiscreteSchedule:
    """The schedule of a model with `alphas_cumprod` (T,), falling; log sigma is linear between timesteps 0 to T - 1.

    Zero terminal signal (arXiv 2305.08891) is given diffusers' 2^-24, so that its sigma is finite.
    """

    flow = False

    def __init__(self, alphas_cumprod: numpy.ndarray):
        self.alphas_cumprod = numpy.maximum(numpy.asarray(alphas_cumprod, dtype=numpy.float64), LOWEST_ALPHABAR)
        self.log_sigmas = 0.5 * numpy.log((1 - self.alphas_cumprod) / self.alphas_cumprod)
        self.sigma_max = float(numpy.exp(self.log_sigmas[-1]))

    def sigma_at(self, fraction: float) -> float:
        position = fraction * (len(self.log_sigmas) - 1)
        return float(numpy.exp(numpy.interp(position, numpy.arange(len(self.log_sigmas)), self.log_sigmas)))


class FlowSchedule:
    """The schedule of a rectified-flow model whose time is shifted (arXiv 2403.03206, equation 23)."""

    flow = True
    sigma_max = 1.0
    alphas_cumprod = None

    def __init__(self, shift: float = 1.0):
        self.shift = shift

    def sigma_at(self, fraction: float) -> float:
        return self.shift * fraction / (1 + (self.shift - 1) * fraction)


def from_diffusers(scheduler: Any) -> DiscreteSchedule | FlowSchedule:
    """The schedule a diffusers scheduler was made with. ValueError if none, or if it depends on the image size."""
    config = scheduler.config
    name = type(scheduler).__name__
    if config.get("use_dynamic_shifting"):
        raise ValueError(f"{name} shifts time by the image size; give FlowSchedule(exp(mu)) with that size's mu")
    if config.get("prediction_type") == "flow_prediction":
        return FlowSchedule(config["flow_shift"])
    if hasattr(scheduler, "alphas_cumprod"):
        return DiscreteSchedule(torch.as_tensor(scheduler.alphas_cumprod).cpu().numpy())
    if "shift" in config:
        return FlowSchedule(config["shift"])
    raise ValueError(f"{name} has no noise schedule known here; give a DiscreteSchedule or FlowSchedule")


def lcm_timesteps(steps: int) -> list[int]:
    """diffusers' LCMScheduler for 1 to 50 steps: evenly picked from 50 points of the training schedule."""
    if not 1 <= steps <= LCM_POINTS:
        raise ValueError(f"steps is {steps}; scheduler 'lcm' has 1 to {LCM_POINTS} steps")
    return [(LCM_POINTS - LCM_POINTS * i // steps) * (TRAIN_STEPS // LCM_POINTS) - 1 for i in range(steps)]


def trailing_timesteps(steps: int) -> list[int]:
    """diffusers' timestep_spacing "trailing", for 1 to 1000 steps."""
    if not 1 <= steps <= TRAIN_STEPS:
        raise ValueError(f"steps is {steps}; scheduler 'trailing' has 1 to {TRAIN_STEPS} steps")
    spaced = numpy.arange(TRAIN_STEPS, 0, -TRAIN_STEPS / steps).round() - 1
    return [int(t) for t in spaced[:steps]]


def leading_timesteps(steps: int) -> list[int]:
    """diffusers' timestep_spacing "leading" with steps_offset 1 as UniPC spaces it, for 1 to 998 steps."""
    if not 1 <= steps < TRAIN_STEPS - 1:
        raise ValueError(f"steps is {steps}; scheduler 'leading' has 1 to {TRAIN_STEPS - 2} steps")
    return _leading(steps)


def _leading(steps: int) -> list[int]:
    return [i * (TRAIN_STEPS // (steps + 1)) + 1 for i in range(steps, 0, -1)]


def official_timesteps(steps: int, strength: float) -> list[int]:
    """The timesteps the published pipeline's img2img runs: `steps` of them, for 0 < strength < 1.

    num_inference_steps = int(steps / strength + 1), of which diffusers runs the last int(num_inference_steps strength).
    ValueError where it would run another number of steps.
    """
    if not 0 < strength < 1:
        raise ValueError(
            f"rollback is {strength:g}; scale 'official' needs a value between 0 and 1 (at 1 it runs one "
            "step too many), so choose scale 'schedule'"
        )
    if steps < 1:
        raise ValueError(f"steps is {steps}; choose at least 1")
    total = int(steps / strength + 1)
    if total >= TRAIN_STEPS:
        raise ValueError(
            f"{steps} steps at rollback {strength:g} need a schedule of {total} steps, more than scale "
            "'official' has; choose scale 'schedule'"
        )
    return _leading(total)[-int(total * strength) :]
