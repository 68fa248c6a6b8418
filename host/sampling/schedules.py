"""Sigma lists for a ComfyUI model. KSampler's `denoise` is never used: its start level depends on the scheduler."""

import comfy.model_sampling
import comfy.samplers
import numpy
import torch
from comfy.k_diffusion import sampling as k_sampling

from ...adaptive_diffusion.diffusion.rollback import rollback_sigmas, start_sigma
from ...adaptive_diffusion.diffusion.schedules import lcm_timesteps, leading_timesteps, trailing_timesteps

LCM, TRAILING, LEADING = "lcm", "trailing", "leading"
EXACT = {LCM: lcm_timesteps, TRAILING: trailing_timesteps, LEADING: leading_timesteps}
UNIFORM = "uniform"
STUDENT_SCHEDULERS = [LCM, TRAILING, *comfy.samplers.KSampler.SCHEDULERS]
REFINE_SCHEDULERS = [UNIFORM, *comfy.samplers.KSampler.SCHEDULERS]
REGENERATE_SCHEDULERS = [UNIFORM, LEADING, *comfy.samplers.KSampler.SCHEDULERS]
_FINEST = 1000
_BY_SIGMA = {
    "karras": k_sampling.get_sigmas_karras,
    "exponential": k_sampling.get_sigmas_exponential,
    "kl_optimal": comfy.samplers.kl_optimal_scheduler,
}


class ModelSchedule:
    """A ComfyUI model_sampling as the noise schedule the method asks for."""

    def __init__(self, model_sampling: comfy.model_sampling.ModelSamplingDiscrete):
        self.model_sampling = model_sampling
        self.flow = isinstance(model_sampling, comfy.model_sampling.CONST)
        self.sigma_max = float(model_sampling.sigma_max)

    @property
    def alphas_cumprod(self) -> numpy.ndarray | None:
        """1 / (1 + sigma^2) of a discrete eps or v model's sigma table; None for continuous and flow models."""
        if self.flow or not isinstance(self.model_sampling, comfy.model_sampling.ModelSamplingDiscrete):
            return None
        return 1 / (1 + self.model_sampling.sigmas.double().cpu().numpy() ** 2)

    def sigma_at(self, fraction: float) -> float:
        """Sigma at a fraction 0..1 of the time axis; core gives a nonsensical huge value at 1, hence the clamp."""
        return min(float(self.model_sampling.percent_to_sigma(1 - fraction)), self.sigma_max)


def full_sigmas(model, scheduler: str, steps: int, sampler_name: str) -> torch.Tensor:
    """`steps` evaluations from pure noise: one of diffusers' EXACT lists, evenly in time, or core's own schedule."""
    model_sampling = model.get_model_object("model_sampling")
    if scheduler in EXACT:
        return torch.tensor(_exact_sigmas(ModelSchedule(model_sampling), scheduler, steps))
    if scheduler == UNIFORM:
        return torch.tensor(rollback_sigmas("schedule", 1.0, steps, ModelSchedule(model_sampling)))
    return comfy.samplers.KSampler(model, steps, "cpu", sampler_name, scheduler).sigmas


def _exact_sigmas(schedule: ModelSchedule, scheduler: str, steps: int) -> list[float]:
    timesteps, table = EXACT[scheduler](steps), schedule.alphas_cumprod
    if table is None:
        if scheduler == LEADING:
            raise ValueError("scheduler 'leading' is only for eps and v models; choose 'uniform' for this one")
        return [schedule.sigma_at((t + 1) / 1000) for t in timesteps] + [0.0]
    return [float(schedule.model_sampling.sigmas[t]) for t in timesteps] + [0.0]


def entered_sigmas(model, scheduler: str, steps: int, scale: str, rollback: float, sampler_name: str) -> torch.Tensor:
    """`steps` evaluations from the rollback's noise level down to 0, spaced as `scheduler` spaces them below it.

    Evenly in time where `scheduler` has too few distinct levels below the start, and always in scale `official`.
    """
    schedule = ModelSchedule(model.get_model_object("model_sampling"))
    uniform = torch.tensor(rollback_sigmas(scale, rollback, steps, schedule))
    if scale == "official" or steps == 1 or scheduler in (*EXACT, UNIFORM):
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
