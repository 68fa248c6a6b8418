"""diffusers' side of the tiny LCM UNet."""

from unittest.mock import patch

import torch
from diffusers import LatentConsistencyModelPipeline, LCMScheduler, UNet2DConditionModel

from . import guided_unet as tiny


def unet() -> UNet2DConditionModel:
    made = UNet2DConditionModel(**tiny.CONFIG).eval().requires_grad_(False)
    made.load_state_dict({key: tiny.weight(key, tuple(value.shape)) for key, value in made.state_dict().items()})
    return made


def embedding(guidance: float) -> torch.Tensor:
    """(B, 256): the guidance as the pipeline gives it to its UNet."""
    pipeline = LatentConsistencyModelPipeline.__new__(LatentConsistencyModelPipeline)
    scale = torch.full((tiny.SHAPE[0],), guidance - 1)
    return pipeline.get_guidance_scale_embedding(scale, embedding_dim=tiny.CONFIG["time_cond_proj_dim"])


def forward(unet: UNet2DConditionModel, guidance: float) -> torch.Tensor:
    return unet(tiny.step_noise(0), tiny.TIMESTEP, tiny.states(), timestep_cond=embedding(guidance)).sample


def sample(unet: UNet2DConditionModel, guidance: float) -> torch.Tensor:
    """Latents (B, 4, 8, 8) after STEPS steps of LCM, with `step_noise` instead of the scheduler's own."""
    scheduler = LCMScheduler(**tiny.SCHEDULE, timestep_spacing="leading", clip_sample=False, set_alpha_to_one=True)
    scheduler.set_timesteps(tiny.STEPS)
    noises = map(tiny.step_noise, range(1, tiny.STEPS))
    x = tiny.step_noise(0)
    with patch("diffusers.schedulers.scheduling_lcm.randn_tensor", lambda *_, **__: next(noises)):
        for t in scheduler.timesteps:
            predicted = unet(x, t, tiny.states(), timestep_cond=embedding(guidance)).sample
            x = scheduler.step(predicted, t, x).prev_sample
    return x
