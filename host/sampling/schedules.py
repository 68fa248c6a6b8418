"""Sigma lists for a ComfyUI model. KSampler's `denoise` is never used: its start level depends on the scheduler."""

from collections.abc import Sequence
from typing import Any

import comfy.model_sampling
import comfy.samplers
import numpy
import torch
from comfy.k_diffusion import sampling as k_sampling

from ...adaptive_diffusion.diffusion.rollback import rollback_sigmas, start_sigma
from ...adaptive_diffusion.diffusion.schedules import TRAIN_STEPS, lcm_timesteps, leading_timesteps, trailing_timesteps
from ...adaptive_diffusion.quoting import quoted

LCM, TRAILING, LEADING = "lcm", "trailing", "leading"
EXACT = {LCM: lcm_timesteps, TRAILING: trailing_timesteps}
UNIFORM = "uniform"
STUDENT, REFINE, REGENERATE = [LCM, TRAILING], [UNIFORM], [UNIFORM, LEADING]
_FINEST = 1000
_BY_SIGMA = {
    "karras": k_sampling.get_sigmas_karras,
    "exponential": k_sampling.get_sigmas_exponential,
    "kl_optimal": comfy.samplers.kl_optimal_scheduler,
}


def scheduler_names(own: list[str]) -> list[str]:
    """The schedulers to choose from: `own` ones, then all that ComfyUI has by now, other packs' among them."""
    return [*own, *comfy.samplers.KSampler.SCHEDULERS]


class ModelSchedule:
    """A ComfyUI model_sampling as the noise schedule the method asks for."""

    def __init__(self, model_sampling: comfy.model_sampling.ModelSamplingDiscrete):
        self.model_sampling = model_sampling
        self.flow = isinstance(model_sampling, comfy.model_sampling.CONST)
        self.sigma_max = float(model_sampling.sigma_max)

    @classmethod
    def of(cls, model: Any) -> "ModelSchedule":
        """The schedule of a MODEL."""
        return cls(model.get_model_object("model_sampling"))

    @property
    def alphas_cumprod(self) -> numpy.ndarray | None:
        """1 / (1 + sigma^2) of a discrete eps or v model's sigma table; None for continuous and flow models."""
        if self.flow or not isinstance(self.model_sampling, comfy.model_sampling.ModelSamplingDiscrete):
            return None
        return 1 / (1 + self.model_sampling.sigmas.double().cpu().numpy() ** 2)

    def sigma_of_timestep(self, t: int) -> float:
        """Sigma of training timestep `t` of 1000, whichever of them the model's table holds."""
        if not self._has_timesteps:
            return self.sigma_at((t + 1) / TRAIN_STEPS)
        table = self.model_sampling.sigmas
        return float(table[t] if len(table) == TRAIN_STEPS else self.model_sampling.sigma(torch.tensor(float(t))))

    @property
    def _has_timesteps(self) -> bool:
        """Whether the model's time runs through training timesteps, and not from 0 to 1."""
        if self.flow or not isinstance(self.model_sampling, comfy.model_sampling.ModelSamplingDiscrete):
            return False
        return float(self.model_sampling.timestep(self.model_sampling.sigma_max)) > 1

    def sigma_at(self, fraction: float) -> float:
        """Sigma at a fraction 0..1 of the time axis; core gives a nonsensical huge value at 1, hence the clamp."""
        return min(float(self.model_sampling.percent_to_sigma(1 - fraction)), self.sigma_max)


def student_sigmas(model: Any, scheduler: str, steps: int, sampler_name: str, denoise: float = 1.0) -> torch.Tensor:
    """A student's schedule: from pure noise KSampler's own, which may differ from `steps`; below `denoise` 1 exact.

    `lcm` and `trailing` are what diffusers' LCMScheduler and Euler schedulers make of a strength of `denoise`.
    """
    if scheduler in (LCM, TRAILING):
        return _exact_sigmas(ModelSchedule.of(model), scheduler, EXACT[scheduler](steps, denoise))
    if denoise < 1:
        return entered_sigmas(model, scheduler, steps, "schedule", denoise, sampler_name)
    sigmas = comfy.samplers.KSampler(model, steps, "cpu", sampler_name, scheduler).sigmas
    return sigmas if sigmas.isfinite().all() else full_sigmas(model, scheduler, steps, sampler_name)


def full_sigmas(model: Any, scheduler: str, steps: int, sampler_name: str) -> torch.Tensor:
    """Exactly `steps` steps from pure noise: diffusers' leading list, evenly in time, or as core's schedulers space.

    Core's own list wherever it has so many different finite sigmas.
    """
    schedule = ModelSchedule.of(model)
    if scheduler == LEADING:
        if schedule.alphas_cumprod is None:
            raise ValueError("scheduler 'leading' is only for eps and v models; choose 'uniform' for this one")
        return _exact_sigmas(schedule, scheduler, leading_timesteps(steps))
    if scheduler == UNIFORM:
        return torch.tensor(rollback_sigmas("schedule", 1.0, steps, schedule))
    sigmas = comfy.samplers.KSampler(model, steps, "cpu", sampler_name, scheduler).sigmas
    if len(sigmas) == steps + 1 and _falls(sigmas):
        return sigmas
    return entered_sigmas(model, scheduler, steps, "schedule", 1.0, sampler_name)


def _exact_sigmas(schedule: ModelSchedule, scheduler: str, timesteps: Sequence[int]) -> torch.Tensor:
    sigmas = torch.tensor([*map(schedule.sigma_of_timestep, timesteps), 0.0])
    if not _falls(sigmas):
        raise ValueError(
            f"the model has fewer noise levels than the {len(timesteps)} steps of scheduler {quoted(scheduler)}; "
            "choose fewer steps or another scheduler"
        )
    return sigmas


def _falls(sigmas: torch.Tensor) -> bool:
    """Whether they are finite and each is smaller than the one before."""
    return bool(sigmas.isfinite().all() and (sigmas[1:] < sigmas[:-1]).all())


def entered_sigmas(
    model: Any, scheduler: str, steps: int, scale: str, rollback: float, sampler_name: str
) -> torch.Tensor:
    """`steps` evaluations from the rollback's noise level down to 0, spaced as `scheduler` spaces them below it.

    Evenly in time where `scheduler` has too few distinct levels below the start, and always in scale `official`.
    """
    schedule = ModelSchedule.of(model)
    uniform = torch.tensor(rollback_sigmas(scale, rollback, steps, schedule))
    if scale == "official" or steps == 1 or scheduler == UNIFORM:
        return uniform
    start = start_sigma(scale, rollback, schedule)
    if sampler_name not in comfy.samplers.KSampler.DISCARD_PENULTIMATE_SIGMA_SAMPLERS:
        return _spaced(schedule.model_sampling, scheduler, steps, start, uniform)
    sigmas = _spaced(schedule.model_sampling, scheduler, steps + 1, start, uniform)
    return torch.cat([sigmas[:-2], sigmas[-1:]]) if len(sigmas) == steps + 2 else sigmas


def _spaced(model_sampling, scheduler: str, steps: int, start: float, fallback: torch.Tensor) -> torch.Tensor:
    if scheduler in _BY_SIGMA:
        sigma_min = min(float(model_sampling.sigma_min), start / 2)
        return _BY_SIGMA[scheduler](n=steps, sigma_min=sigma_min, sigma_max=start).cpu()
    total = steps
    while total <= _FINEST:
        sigmas = enter(comfy.samplers.calculate_sigmas(model_sampling, scheduler, total).cpu(), start)
        if len(sigmas) > steps:
            return _thin(sigmas, steps)
        total += max(1, total * (steps + 1 - len(sigmas)) // (2 * len(sigmas)))
    return fallback


def _thin(sigmas: torch.Tensor, steps: int) -> torch.Tensor:
    """`steps` + 1 sigmas out of a few more, ends kept."""
    picks = torch.linspace(0, len(sigmas) - 1, steps + 1).round().long()
    return sigmas[picks]


def enter(sigmas: torch.Tensor, start: float) -> torch.Tensor:
    """A given schedule, entered at sigma `start`: `start` itself, then what lies below it."""
    below = sigmas[sigmas < start * (1 - 1e-4)].unique().flip(0)
    if not len(below):
        raise ValueError(f"the given sigmas have nothing below the rollback level {start:.4g}; raise rollback")
    return torch.cat([torch.tensor([start], dtype=sigmas.dtype), below])
