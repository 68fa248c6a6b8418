"""UniPC, the teacher's solver (arXiv 2302.04867), as one k-diffusion style function."""

import math
from collections.abc import Callable
from typing import Any

import torch

Callback = Callable[[dict[str, Any]], None]


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

    model: (x (B, ...), sigma (B,), **extra_args) -> denoised, of x's shape. sigmas: (steps + 1,), falling to 0; one
    evaluation a step. x is the noised latent at sigmas[0]: clean + sigma noise, or, with `flow`, (1 - sigma) clean +
    sigma noise. UniPC does not change under x -> x / alpha, so the former also serves variance-preserving models.
    """
    levels = sigmas.tolist()
    ones = x.new_ones([x.shape[0]])
    outputs: list[torch.Tensor] = []
    last = x
    for i, (sigma, sigma_next) in enumerate(zip(levels[:-1], levels[1:], strict=True)):
        denoised = model(x, sigma * ones, **(extra_args or {}))
        if callback is not None:
            callback({"x": x, "i": i, "sigma": sigma, "sigma_hat": sigma, "denoised": denoised})
        if sigma_next == 0:
            return denoised
        if i > 0:
            x = _update(last, [*outputs, denoised], levels[max(i - 2, 0) : i + 1], flow, corrector=True)
        outputs = [*outputs[-1:], denoised]
        last = x
        x = _update(x, outputs, levels[max(i - 1, 0) : i + 2], flow, corrector=False)
    return x


def _update(x, outputs: list[torch.Tensor], levels: list[float], flow: bool, corrector: bool) -> torch.Tensor:
    """UniP (predictor) or UniC (corrector) from the last-but-one of `levels` to the last (Algorithms 2 and 1 there).

    outputs: the denoised at the start's predecessor (if any) and at the start; for the corrector also at the end.
    """
    (alpha_end, lambda_end), (_, lambda_start) = _alpha_lambda(levels[-1], flow), _alpha_lambda(levels[-2], flow)
    *history, end = outputs if corrector else [*outputs, None]
    h = lambda_end - lambda_start
    growth = math.expm1(-h)
    start = history[-1]
    base = levels[-1] / levels[-2] * x - alpha_end * growth * start
    weights = (0.0, 0.5) if corrector else (0.5, 0.0)
    residual = torch.zeros_like(x)
    if len(history) == 2:
        ratio = (_alpha_lambda(levels[-3], flow)[1] - lambda_start) / h
        weights = _corrector_weights(h, growth, ratio) if corrector else weights
        residual = weights[0] / ratio * (history[0] - start)
    if end is not None:
        residual = residual + weights[1] * (end - start)
    return base - alpha_end * growth * residual


def _corrector_weights(h: float, growth: float, ratio: float) -> tuple[float, float]:
    """The solution of R rho = b for order 2 (equation 11 there), with B(h) = e^-h - 1."""
    phi_2 = growth / -h - 1
    b_1, b_2 = phi_2 / growth, 2 * (phi_2 / -h - 0.5) / growth
    rho = (b_2 - b_1) / (ratio - 1)
    return rho, b_1 - rho


def _alpha_lambda(sigma: float, flow: bool) -> tuple[float, float]:
    """Signal scale alpha and half log-SNR log(alpha / sigma) at a sigma."""
    alpha = 1 - sigma if flow else 1.0
    return alpha, math.log(alpha / sigma) if alpha > 0 else -math.inf
