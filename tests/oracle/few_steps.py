"""A tiny UNet of SDXL's layout with the same random weights on every machine, and what diffusers draws with it.

python -m tests.oracle.few_steps      writes few_steps.json again (needs diffusers)
"""

import json
from pathlib import Path
from typing import Any

import torch

from .guided_unet import tensor, weight

GOLDENS = Path(__file__).with_name("few_steps.json")
SHAPE, TOKENS, WIDTH = (1, 4, 8, 8), 5, 32
STUDENTS = ("lcm", "turbo")
STUDENT_STEPS, TEACHER_STEPS = (1, 2, 4, 8), (8, 25)
TEACHER_CFG = 8.0
CONFIG: dict[str, Any] = {
    "block_out_channels": (64, 128),
    "layers_per_block": 1,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "attention_head_dim": (1, 2),
    "use_linear_projection": True,
    "cross_attention_dim": WIDTH,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 6 * 256 + WIDTH,
    "sample_size": SHAPE[-1],
}


def loud(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """`weight`, with a last layer that answers noise of about unit size."""
    return weight(name, shape) * (1.5 if name.startswith("conv_out.") else 1)


def text(sign: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Encoded tokens (1, TOKENS, WIDTH) and pooled output (1, WIDTH) of the positive or negative prompt."""
    return tensor(f"{sign} tokens", (1, TOKENS, WIDTH)), tensor(f"{sign} pooled", (1, WIDTH))


def noise(i: int) -> torch.Tensor:
    """Unit noise: 0 is what drawing starts from, i what its step i adds."""
    return tensor(f"noise {i}", SHAPE)


def main() -> None:
    from . import few_steps_diffusers as theirs

    unet = theirs.unet()
    drawn = {name: {n: theirs.student(unet, name, n) for n in STUDENT_STEPS} for name in STUDENTS}
    drawn["teacher"] = {n: theirs.teacher(unet, n) for n in TEACHER_STEPS}
    shapes = {key: list(value.shape) for key, value in unet.state_dict().items()}
    rounded = {
        name: {n: [float(f"{x:.7g}") for x in made.flatten().tolist()] for n, made in by_steps.items()}
        for name, by_steps in drawn.items()
    }
    GOLDENS.write_text(json.dumps({"shapes": shapes, **rounded}) + "\n")


if __name__ == "__main__":
    main()
