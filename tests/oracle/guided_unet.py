"""A tiny LCM UNet of SD1.5's layout with the same random weights on every machine, and what diffusers answers with it.

python -m tests.oracle.guided_unet      writes guided_unet.json again (needs diffusers)
"""

import json
from pathlib import Path
from typing import Any

import numpy
import torch

from .bits import uniform

GOLDENS = Path(__file__).with_name("guided_unet.json")
SHAPE, TOKENS, WIDTH = (2, 4, 8, 8), 5, 32
GUIDANCE = (1.0, 4.5, 8.0)
STEPS, TIMESTEP = 4, 499
CONFIG: dict[str, Any] = {
    "block_out_channels": (32, 64),
    "layers_per_block": 1,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": WIDTH,
    "attention_head_dim": 8,
    "norm_num_groups": 32,
    "time_cond_proj_dim": 256,
    "sample_size": SHAPE[-1],
}
SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def tensor(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    return torch.from_numpy(uniform(name, shape))


def weight(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Small enough that nothing grows from layer to layer; norms stay near 1."""
    drawn = tensor(name, shape) * 0.5 / max(1, numpy.prod(shape[1:])) ** 0.5
    return drawn + 1 if len(shape) == 1 and "norm" in name and name.endswith("weight") else drawn


def states() -> torch.Tensor:
    return tensor("states", (1, TOKENS, WIDTH)).expand(SHAPE[0], -1, -1)


def step_noise(i: int) -> torch.Tensor:
    return tensor(f"noise {i}", SHAPE)


def main() -> None:
    from . import guided_unet_diffusers as theirs

    unet = theirs.unet()
    forward = {f"{g:g}": theirs.forward(unet, g).flatten().tolist() for g in GUIDANCE}
    sampled = {f"{g:g}": theirs.sample(unet, g).flatten().tolist() for g in GUIDANCE}
    shapes = {key: list(value.shape) for key, value in unet.state_dict().items()}
    GOLDENS.write_text(json.dumps({"shapes": shapes, "forward": forward, "sampled": sampled}) + "\n")


if __name__ == "__main__":
    main()
