"""The diffusion the demo models are trained on: Stable Diffusion's betas, v-prediction (arXiv 2202.00512)."""

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import nn
from transformers import CLIPTextModel

from .text import WIDTH, tokenize
from .vae import LATENT_CHANNELS

SCHEDULE = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "clip_sample": False,
    "set_alpha_to_one": True,
    "timestep_spacing": "trailing",
    "steps_offset": 1,
}


def new_unet() -> UNet2DConditionModel:
    """An untrained UNet, (B, 8, 8, 8) latents and (B, 24, 128) text states to v; 3.2 M weights.

    Plain attention: at 64 positions and fewer it is faster on CPUs than the fused kernel.
    """
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=(64, 128),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
    )
    unet.set_attn_processor(AttnProcessor())
    return unet


def signal_and_noise(timesteps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """sqrt(alphabar) and sqrt(1 - alphabar) at `timesteps` (B,), each (B, 1, 1, 1)."""
    alphabar = DDIMScheduler(**SCHEDULE).alphas_cumprod[timesteps].view(-1, 1, 1, 1)
    return alphabar.sqrt(), (1 - alphabar).sqrt()


def predict(unet: nn.Module, x: torch.Tensor, timesteps: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
    """v (B, 8, 8, 8) in float32, evaluated under bfloat16 autocast."""
    with torch.autocast("cpu", torch.bfloat16):
        return unet(x.contiguous(memory_format=torch.channels_last), timesteps, states).sample.float()


def encode(text: CLIPTextModel, tokens: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return text(tokens).last_hidden_state.float()


def blank_tokens() -> torch.Tensor:
    return tokenize([""])
