"""Samplers whose random numbers belong to an image, not to its place in a batch."""

import inspect
from collections.abc import Sequence

import comfy.samplers
import torch
from comfy.k_diffusion.sampling import BrownianTreeNoiseSampler

from ..adaptive_diffusion.noise import PerSampleNoise
from ..adaptive_diffusion.solvers import sample_unipc

UNIPC = "unipc_diffusers"
COUPLING = {"dpm_adaptive"}
SLACK = 1e-4
SAMPLERS = [UNIPC, *(name for name in comfy.samplers.KSampler.SAMPLERS if name not in COUPLING)]


def make_sampler(name: str, flow: bool) -> comfy.samplers.KSAMPLER:
    """The sampler called `name`; `unipc_diffusers` is diffusers' second-order UniPC."""
    if name == UNIPC:
        return comfy.samplers.KSAMPLER(sample_unipc, {"flow": flow})
    return comfy.samplers.sampler_object(name)


def per_row(sampler, noise: torch.Tensor, sigmas: torch.Tensor, seeds: Sequence[int]):
    """`sampler` with step noise drawn per row from `seeds`, so that a row does not depend on its neighbours.

    noise: the start noise, for its shape (B, ...) on the sampling device. A sampler without any is returned.
    """
    function = getattr(sampler, "sampler_function", None)
    if function is None or "noise_sampler" not in inspect.signature(function).parameters:
        return sampler
    options = {**sampler.extra_options, "noise_sampler": _noise_sampler(function, noise, sigmas, seeds)}
    return comfy.samplers.KSAMPLER(function, options, sampler.inpaint_options)


def _noise_sampler(function, noise: torch.Tensor, sigmas: torch.Tensor, seeds: Sequence[int]):
    if not function.__name__.startswith("sample_dpmpp_") or "sde" not in function.__name__:
        return PerSampleNoise(noise, seeds)
    low, high = sigmas[sigmas > 0].min() * (1 - SLACK), sigmas.max() * (1 + SLACK)
    return BrownianTreeNoiseSampler(noise, low, high, seed=list(seeds), cpu=True)
