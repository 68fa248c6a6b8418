"""Pipelines in SDXL's layout with random weights: real speed and memory, pictures of noise."""

from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    LCMScheduler,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
    UniPCMultistepScheduler,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, PreTrainedTokenizerFast

from adaptive_diffusion.bundled import DEMO_MODELS

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
TOKENS = 77


def pipelines(dtype: torch.dtype, device: str, tiny: bool = False) -> tuple[Any, Any]:
    """A student and an img2img teacher, each with a UNet of its own (2.6 billion weights; some thousands if tiny)."""
    torch.manual_seed(0)
    with torch.device(device):
        first, second = (_text_encoder(kind, *sizes) for kind, sizes in zip(KINDS, TEXT[tiny], strict=True))
        shared = {"vae": _vae(tiny), "text_encoder": first, "text_encoder_2": second}
        unets = [UNet2DConditionModel(**UNET, **UNET_SIZE[tiny]) for _ in range(2)]
    words = PreTrainedTokenizerFast.from_pretrained(DEMO_MODELS / "tokenizer", local_files_only=True)
    words.model_max_length = TOKENS
    shared = {name: part.to(dtype).eval() for name, part in shared.items()} | {"tokenizer": words, "tokenizer_2": words}
    student = StableDiffusionXLPipeline(unet=unets[0].to(dtype), scheduler=LCMScheduler(**BETAS), **shared)
    teacher = StableDiffusionXLImg2ImgPipeline(
        unet=unets[1].to(dtype), scheduler=UniPCMultistepScheduler(**BETAS), **shared
    )
    for pipeline in (student, teacher):
        pipeline.set_progress_bar_config(disable=True)
    return student, teacher


KINDS = (CLIPTextModel, CLIPTextModelWithProjection)
TEXT = {False: ((768, 12, 12, 3072), (1280, 32, 20, 5120)), True: ((16, 1, 2, 32), (16, 1, 2, 32))}
UNET: dict[str, Any] = {
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
}
UNET_SIZE: dict[bool, dict[str, Any]] = {
    False: {
        "sample_size": 128,
        "block_out_channels": (320, 640, 1280),
        "transformer_layers_per_block": (1, 2, 10),
        "attention_head_dim": (5, 10, 20),
        "cross_attention_dim": 2048,
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
    True: {
        "sample_size": 8,
        "block_out_channels": (32, 32, 32),
        "transformer_layers_per_block": (1, 1, 1),
        "attention_head_dim": (2, 2, 2),
        "layers_per_block": 1,
        "cross_attention_dim": 32,
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 64,
    },
}


def _text_encoder(kind: Any, width: int, layers: int, heads: int, hidden: int) -> torch.nn.Module:
    sizes = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads}
    return kind(CLIPTextConfig(**sizes, intermediate_size=hidden, projection_dim=width))


def _vae(tiny: bool) -> AutoencoderKL:
    widths = (32, 32, 32, 32) if tiny else (128, 256, 512, 512)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=widths,
        layers_per_block=1 if tiny else 2,
        scaling_factor=0.13025,
        force_upcast=False,
    )
