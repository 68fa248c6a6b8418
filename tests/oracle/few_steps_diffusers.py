"""diffusers' side of the tiny SDXL: its pipeline with the schedulers of LCM-SDXL, SDXL-Turbo and the teacher."""

from unittest.mock import patch

import torch
from diffusers import (
    AutoencoderKL,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
    UniPCMultistepScheduler,
)

from . import few_steps as tiny
from .guided_unet import SCHEDULE

SDXL = EulerDiscreteScheduler(**SCHEDULE, timestep_spacing="leading", steps_offset=1).config
SCHEDULERS = {
    "lcm": (LCMScheduler.from_config(SDXL), "scheduling_lcm"),
    "turbo": (
        EulerAncestralDiscreteScheduler(**SCHEDULE, timestep_spacing="trailing"),
        "scheduling_euler_ancestral_discrete",
    ),
}


def unet() -> UNet2DConditionModel:
    made = UNet2DConditionModel(**tiny.CONFIG).eval().requires_grad_(False)
    made.load_state_dict({key: tiny.loud(key, tuple(value.shape)) for key, value in made.state_dict().items()})
    return made


def student(unet: UNet2DConditionModel, name: str, steps: int) -> torch.Tensor:
    """Latents of a few-step model without guidance, with `tiny.noise` instead of the scheduler's own."""
    scheduler, module = SCHEDULERS[name]
    noises = map(tiny.noise, range(1, steps + 1))
    with patch(f"diffusers.schedulers.{module}.randn_tensor", lambda *_, **__: next(noises)):
        return _draw(unet, scheduler, steps, 1.0)


def teacher(unet: UNet2DConditionModel, steps: int) -> torch.Tensor:
    return _draw(unet, UniPCMultistepScheduler.from_config(SDXL), steps, tiny.TEACHER_CFG)


def _draw(unet: UNet2DConditionModel, scheduler, steps: int, guidance: float) -> torch.Tensor:
    vae = AutoencoderKL(block_out_channels=(8,) * 4, norm_num_groups=4, down_block_types=["DownEncoderBlock2D"] * 4,
                        up_block_types=["UpDecoderBlock2D"] * 4)  # fmt: skip
    pipeline = StableDiffusionXLPipeline(vae, None, None, None, None, unet, scheduler, add_watermarker=False)
    pipeline.set_progress_bar_config(disable=True)
    (tokens, pooled), (negative, negative_pooled) = tiny.text("positive"), tiny.text("negative")
    return pipeline(
        prompt_embeds=tokens,
        pooled_prompt_embeds=pooled,
        negative_prompt_embeds=negative,
        negative_pooled_prompt_embeds=negative_pooled,
        latents=tiny.noise(0),
        num_inference_steps=steps,
        guidance_scale=guidance,
        output_type="latent",
    ).images
