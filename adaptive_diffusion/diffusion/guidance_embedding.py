"""The guidance that latent consistency models take as an input (LCM, arXiv 2310.04378, section 4.2).

Such a UNet adds W e(w) to the timestep's embedding t before its first linear layer, A (t + W e(w)) + b, where w is the
guidance scale minus 1. For one w that is an ordinary UNet with the bias b + A W e(w), exactly.
"""

import math
from pathlib import Path

import torch

from ..estimators import weights
from ..quoting import quoted
from ..reading import reading

CONDITION, LINEAR = "time_embedding.cond_proj.weight", "time_embedding.linear_1.weight"
SCALE, LONGEST = 1000.0, 10000.0


def guidance_embedding(guidance: float, width: int) -> torch.Tensor:
    """e(w), (width,): sines, then cosines, of 1000 w at geometrically falling frequencies; w = guidance - 1.

    diffusers' get_guidance_scale_embedding, for an even width.
    """
    half = width // 2
    frequencies = torch.exp(-math.log(LONGEST) / (half - 1) * torch.arange(half, dtype=torch.float32))
    angles = (guidance - 1) * SCALE * frequencies
    return torch.cat([angles.sin(), angles.cos()])


def takes_guidance(path: Path) -> bool:
    """Whether the weight file is that of a UNet with a guidance embedding, in diffusers' keys."""
    return {CONDITION, LINEAR} <= weights.shapes(path).keys()


def guidance_bias(path: Path, guidance: float) -> torch.Tensor:
    """A W e(w), (C,) float32: what `guidance` adds to the first time embedding layer's bias.

    path: the UNet's weights in diffusers' keys. ValueError where it is no model with a guidance embedding.
    """
    if not takes_guidance(path):
        raise ValueError(
            f"{quoted(path.name)} has no guidance embedding; choose the UNet of LCM-SDXL or LCM_Dreamshaper_v7 "
            "(an LCM-LoRA "
            "has none: there cfg is the guidance)"
        )
    with reading(path, f"{quoted(path.name)} has a guidance embedding of no size that a model has; download it again"):
        condition, linear = (weights.tensor(path, key).float() for key in (CONDITION, LINEAR))
        return linear @ (condition @ guidance_embedding(guidance, condition.shape[1]))
