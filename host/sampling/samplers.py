"""Samplers whose random numbers belong to an image, not to its place in a batch."""

import copy
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import comfy.samplers
import torch
from comfy.k_diffusion.sampling import BrownianTreeNoiseSampler

from ...adaptive_diffusion.diffusion.noise import PerSampleNoise
from ...adaptive_diffusion.diffusion.unipc import sample_unipc
from .schedules import LCM, LEADING, TRAILING

UNIPC = "unipc_diffusers"
COUPLING = {"dpm_adaptive"}
EULER = ("euler", "euler_ancestral")
SLACK = 1e-4


def sampler_names() -> list[str]:
    """The samplers to choose from: ours, then all that ComfyUI has by now, other packs' among them."""
    return [UNIPC, *(name for name in comfy.samplers.KSampler.SAMPLERS if name not in COUPLING)]


class _AsDiffusers(comfy.samplers.KSAMPLER):
    """Starts where diffusers does: with sqrt(1 + sigma^2) noise at any sigma, but Euler's `trailing` with sigma noise.

    ComfyUI starts with the former at the model's highest sigma, with the latter everywhere else.
    """

    full: bool

    def max_denoise(self, model_wrap, sigmas: torch.Tensor) -> bool:
        return self.full


def make_sampler(name: str, flow: bool, scheduler: str) -> comfy.samplers.KSAMPLER:
    """The sampler called `name`, for pure noise where `scheduler` is a list of diffusers'.

    `unipc_diffusers` is diffusers' second-order UniPC.
    """
    if name == UNIPC:
        sampler = comfy.samplers.KSAMPLER(sample_unipc, {"flow": flow})
    else:
        sampler = comfy.samplers.sampler_object(name)
    if scheduler not in (LCM, TRAILING, LEADING):
        return sampler
    exact = _AsDiffusers(sampler.sampler_function, sampler.extra_options, sampler.inpaint_options)
    exact.full = not (scheduler == TRAILING and name in EULER)
    return exact


def per_row(sampler, noise: torch.Tensor, sigmas: torch.Tensor, seeds: Sequence[int]):
    """`sampler` with step noise drawn per row from `seeds`, so that a row does not depend on its neighbours.

    noise: the start noise, for its shape (B, ...) on the sampling device. A sampler without step noise, or that brings
    its own, is returned.
    """
    function = getattr(sampler, "sampler_function", None)
    if function is None or "noise_sampler" not in inspect.signature(function).parameters:
        return sampler
    if _noise_of_its_own(function, sampler.extra_options):
        return sampler
    own = copy.copy(sampler)
    own.extra_options = {**sampler.extra_options, "noise_sampler": _noise_sampler(function, noise, sigmas, seeds)}
    return own


def _noise_of_its_own(function, options: Mapping[str, Any]) -> bool:
    bound = {**getattr(function, "keywords", {}), **options}
    return bound.get("noise_sampler") is not None


def _noise_sampler(function, noise: torch.Tensor, sigmas: torch.Tensor, seeds: Sequence[int]):
    name = getattr(getattr(function, "func", function), "__name__", "")
    if not name.startswith("sample_dpmpp_") or "sde" not in name:
        return PerSampleNoise(noise, seeds)
    low, high = sigmas[sigmas > 0].min() * (1 - SLACK), sigmas.max() * (1 + SLACK)
    return BrownianTreeNoiseSampler(noise, low, high, seed=list(seeds), cpu=True)
