"""A LoRA on the demo's teacher, and tiny models that predict v at zero SNR, with weights that are the same anywhere.

python -m tests.oracle.own_student      writes own_student.json again (needs diffusers and peft)
"""

import json
from pathlib import Path
from typing import Any

import torch

from .guided_unet import tensor, weight

GOLDENS = Path(__file__).with_name("own_student.json")
DEMO_SHAPE, TOKENS, RANK = (1, 8, 8, 8), 24, 8
ALPHAS = (8, 3)
TIMESTEPS = (19, 499, 979)
SDXL_SHAPE, SIZE, POOLED = (1, 4, 8, 8), 64, 1280
SDXL: dict[str, Any] = {
    "sample_size": 8,
    "block_out_channels": (32, 64, 64),
    "layers_per_block": 2,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": 2048,
    "attention_head_dim": 1,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": POOLED + 6 * 256,
}
SD: dict[str, Any] = {
    "sample_size": 8,
    "block_out_channels": (32, 64),
    "layers_per_block": 1,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}
GUIDANCE, GUIDED = 4.5, {"time_cond_proj_dim": 256}
ZERO_SNR: dict[str, Any] = {
    **{"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False},
    **{"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"},
}


def lora_weight(key: str, shape: tuple[int, ...]) -> torch.Tensor:
    """As large as a trained one's: what it adds is a tenth of the weight it is added to."""
    return weight(key, shape) * (1.0 if "lora_A" in key else 0.3)


def noise(shape: tuple[int, ...]) -> torch.Tensor:
    return tensor("noise", shape)


def states(width: int, tokens: int = TOKENS) -> torch.Tensor:
    return tensor(f"states {width}", (1, tokens, width)) * 0.5


def pooled() -> torch.Tensor:
    return tensor("pooled", (1, POOLED)) * 0.5


def main() -> None:
    from . import own_student_diffusers as theirs

    with torch.no_grad():
        said = {"lora": theirs.lora(), "sdxl": theirs.sdxl(), "sd": theirs.sd()}
        GOLDENS.write_text(json.dumps({**said, "guided": theirs.guided()}) + "\n")


if __name__ == "__main__":
    main()
