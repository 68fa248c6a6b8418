"""UniPC, the teacher's solver (arXiv 2302.04867), as one k-diffusion style function."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch

Callback = Callable[[dict[str, Any]], None]


class _Output(NamedTuple):
    """What the model answered at one noise level."""

    sigma: float
    denoised: torch.Tensor


@torch.no_grad()
def sample_unipc(
    model: Callable[..., torch.Tensor],
    x: torch.Tensor,
    sigmas: torch.Tensor,
    extra_args: dict[str, Any] | None = None,
    callback: Callback | None = None,
    disable: bool | None = None,
    flow: bool = False,
) -> torch.Tensor:
    """Second-order UniPC with B2(h), data prediction and a first-order last step: diffusers' UniPCMultistepScheduler.

    model: (x (B, ...), sigma (B,), **extra_args) -> denoised, of x's shape. sigmas: (steps + 1,), strictly falling; one
    evaluation a step, and after a last sigma of 0 the result is the last denoised. x is the noised latent at sigmas[0]:
    clean + sigma noise, or, with `flow`, (1 - sigma) clean + sigma noise. UniPC does not change under x -> x / alpha,
    so the former also serves variance-preserving models. Half precision is stepped in float32 and returned as it came.
    `disable` is k-diffusion's; this sampler draws no progress bar. ValueError for sigmas that do not fall.
    """
    levels = _falling(sigmas.tolist())
    dtype = x.dtype
    x = last = x.to(torch.promote_types(dtype, torch.float32))
    outputs: list[_Output] = []
    for i, (sigma, sigma_next) in enumerate(pairwise(levels)):
        denoised = model(x.to(dtype), x.new_full(x.shape[:1], sigma), **(extra_args or {})).to(x.dtype)
        if callback is not None:
            callback({"x": x, "i": i, "sigma": sigmas[i], "sigma_hat": sigmas[i], "denoised": denoised})
        if sigma_next == 0:
            return denoised.to(dtype)
        if outputs:
            x = _correct(last, outputs, _Output(sigma, denoised), flow)
        outputs = [*outputs[-1:], _Output(sigma, denoised)]
        last = x
        order = min(2, len(levels) - 1 - i)
        x = _predict(x, outputs[-order:], sigma_next, flow)
    return x.to(dtype)


def _falling(levels: list[float]) -> list[float]:
    for high, low in pairwise(levels):
        if not high > low >= 0:
            raise ValueError(
                f"sigmas must fall at every step, never below 0, but {high:g} is followed by {low:g}; "
                "choose another scheduler or fewer steps"
            )
    return levels


def _predict(x: torch.Tensor, outputs: Sequence[_Output], sigma: float, flow: bool) -> torch.Tensor:
    """UniP of order len(outputs) (Algorithm 2 there): x at the last of `outputs` moved on to `sigma`."""
    start = outputs[-1]
    target = start.denoised
    if len(outputs) == 2:
        ratio = _distance(start.sigma, outputs[0].sigma, flow) / _distance(start.sigma, sigma, flow)
        target = target + 0.5 / ratio * (outputs[0].denoised - start.denoised)
    return _step(x, target, start.sigma, sigma, flow)


def _correct(x: torch.Tensor, outputs: Sequence[_Output], end: _Output, flow: bool) -> torch.Tensor:
    """UniC of order len(outputs) (Algorithm 1 there): the same move, now that the model has answered at its end."""
    start = outputs[-1]
    weight, target = 0.5, start.denoised
    if len(outputs) == 2:
        h = _distance(start.sigma, end.sigma, flow)
        ratio = _distance(start.sigma, outputs[0].sigma, flow) / h
        past, weight = _corrector_weights(h, ratio)
        target = target + past / ratio * (outputs[0].denoised - start.denoised)
    target = target + weight * (end.denoised - start.denoised)
    return _step(x, target, start.sigma, end.sigma, flow)


def _corrector_weights(h: float, ratio: float) -> tuple[float, float]:
    """Weights of the past and the end output at order 2: R rho = b (equation 11 there) with B(h) = e^-h - 1."""
    growth = math.expm1(-h)
    phi = growth / -h - 1
    b_1, b_2 = phi / growth, 2 * (phi / -h - 0.5) / growth
    past = (b_2 - b_1) / (ratio - 1)
    return past, b_1 - past


def _step(x: torch.Tensor, target: torch.Tensor, sigma: float, sigma_next: float, flow: bool) -> torch.Tensor:
    """The exact solution from sigma to sigma_next for a model that answers `target` all the way."""
    alpha = 1 - sigma_next if flow else 1.0
    return sigma_next / sigma * x - alpha * math.expm1(-_distance(sigma, sigma_next, flow)) * target


def _distance(sigma: float, sigma_next: float, flow: bool) -> float:
    """The difference in half log-SNR, log(alpha / sigma); positive towards clean."""
    return _half_log_snr(sigma_next, flow) - _half_log_snr(sigma, flow)


def _half_log_snr(sigma: float, flow: bool) -> float:
    if not flow:
        return -math.log(sigma)
    return math.log((1 - sigma) / sigma) if sigma < 1 else -math.inf
