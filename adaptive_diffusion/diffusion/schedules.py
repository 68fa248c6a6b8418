"""Noise schedules, and the exact timestep lists of few-step models."""

import itertools
import math
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

    def sigma_of_timestep(self, t: int) -> float:
        """Sigma of training timestep `t`, 0..999."""


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
        return self.sigma_of_timestep(position)

    def sigma_of_timestep(self, t: float) -> float:
        return float(numpy.exp(numpy.interp(t, numpy.arange(len(self.log_sigmas)), self.log_sigmas)))

    def timestep_at(self, sigma: float) -> int:
        """What the network is told at `sigma`: the training timestep nearest in log sigma."""
        return int(numpy.abs(self.log_sigmas - numpy.log(sigma)).argmin())


class FlowSchedule:
    """The schedule of a rectified-flow model whose time is shifted (arXiv 2403.03206, equation 23)."""

    flow = True
    sigma_max = 1.0
    alphas_cumprod = None

    def __init__(self, shift: float = 1.0):
        self.shift = shift

    def sigma_at(self, fraction: float) -> float:
        return self.shift * fraction / (1 + (self.shift - 1) * fraction)

    def sigma_of_timestep(self, t: int) -> float:
        return self.sigma_at((t + 1) / TRAIN_STEPS)

    def timestep_at(self, sigma: float) -> float:
        """What the network is told at `sigma`."""
        return TRAIN_STEPS * sigma


def from_diffusers(scheduler: Any, mu: float | None = None) -> DiscreteSchedule | FlowSchedule:
    """The schedule a diffusers scheduler was made with.

    mu: what a pipeline hands to a scheduler that shifts time by the image size. ValueError where such a one comes
    without it, and for a scheduler without a schedule that is known.
    """
    config = scheduler.config
    name = type(scheduler).__name__
    if config.get("use_dynamic_shifting"):
        if mu is None:
            raise ValueError(f"{name} shifts time by the image size; give that size's mu")
        return FlowSchedule(mu if config.get("time_shift_type") == "linear" else math.exp(mu))
    if config.get("prediction_type") == "flow_prediction":
        return FlowSchedule(config["flow_shift"])
    if hasattr(scheduler, "alphas_cumprod"):
        return DiscreteSchedule(torch.as_tensor(scheduler.alphas_cumprod).cpu().numpy())
    if "shift" in config:
        return FlowSchedule(config["shift"])
    raise ValueError(f"{name} has no noise schedule known here; give a DiscreteSchedule or FlowSchedule")


def lcm_timesteps(steps: int, strength: float = 1.0) -> list[int]:
    """diffusers' LCMScheduler: evenly picked from the points of the training schedule up to `strength`, 50 at 1."""
    points = int(LCM_POINTS * strength)
    if not 1 <= steps <= points:
        below = "" if strength == 1 else f" at denoise {strength:g}"
        raise ValueError(f"steps is {steps}; scheduler 'lcm' has 1 to {points} steps{below}")
    picked = numpy.linspace(0, points, steps, endpoint=False)
    return [(points - int(i)) * (TRAIN_STEPS // LCM_POINTS) - 1 for i in picked]


def trailing_timesteps(steps: int, strength: float = 1.0) -> list[int]:
    """diffusers' timestep_spacing "trailing": the last `steps` of the shortest list of which img2img runs so many."""
    total = next(total for total in itertools.count(int(steps / strength)) if int(total * strength) >= steps)
    if not 1 <= steps <= total <= TRAIN_STEPS:
        most = int(TRAIN_STEPS * strength)
        below = "" if strength == 1 else f" at denoise {strength:g}"
        raise ValueError(f"steps is {steps}; scheduler 'trailing' has 1 to {most} steps{below}")
    spaced = numpy.arange(TRAIN_STEPS, 0, -TRAIN_STEPS / total).round() - 1
    return [int(t) for t in spaced[total - steps : total]]


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
