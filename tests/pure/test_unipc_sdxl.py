"""The published teacher call, diffusers' SDXL img2img with UniPC, against rollback scale `official` and sample_unipc.

Both sides share one small random network of SDXL's layout, the start latent and the noise.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionXLImg2ImgPipeline,
    UNet2DConditionModel,
    UniPCMultistepScheduler,
)

from adaptive_diffusion.diffusion.rollback import rollback_sigmas
from adaptive_diffusion.diffusion.schedules import from_diffusers, official_timesteps
from adaptive_diffusion.diffusion.unipc import sample_unipc

torch.set_num_threads(1)

CFG = 8.0
WIDTH, POOLED = 32, 16
SCHEDULER = EulerDiscreteScheduler(
    beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="leading", steps_offset=1
)


class Run(NamedTuple):
    """What the pipeline gave, and what its network saw: timesteps, and the conditioning of the stacked CFG rows."""

    latents: torch.Tensor
    timesteps: list[int]
    conditioning: dict[str, Any]


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionXLImg2ImgPipeline:
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4),
        transformer_layers_per_block=(1, 2),
        use_linear_projection=True,
        cross_attention_dim=WIDTH,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + POOLED,
        norm_num_groups=8,
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8),
        norm_num_groups=4,
        latent_channels=4,
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
    )
    pipe = StableDiffusionXLImg2ImgPipeline(
        vae, None, None, None, None, unet.eval(), UniPCMultistepScheduler.from_config(SCHEDULER.config)
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def randn(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


CLEAN = randn(2, 4, 8, 8, seed=1)
NOISE = randn(2, 4, 8, 8, seed=2)


def published(pipe: StableDiffusionXLImg2ImgPipeline, steps: int, strength: float) -> Run:
    """The teacher call of the published code, commit e36646b."""
    calls = []
    hook = pipe.unet.register_forward_pre_hook(lambda _, args, kwargs: calls.append((args, kwargs)), with_kwargs=True)
    result = pipe(
        prompt_embeds=randn(2, 7, WIDTH, seed=3),
        negative_prompt_embeds=randn(2, 7, WIDTH, seed=4),
        pooled_prompt_embeds=randn(2, POOLED, seed=5),
        negative_pooled_prompt_embeds=randn(2, POOLED, seed=6),
        image=CLEAN,
        generator=torch.Generator().manual_seed(2),
        num_inference_steps=int(steps / strength + 1),
        strength=strength,
        guidance_scale=CFG,
        output_type="latent",
    ).images
    hook.remove()
    conditioning = {name: calls[0][1][name] for name in ("encoder_hidden_states", "added_cond_kwargs")}
    return Run(result, [int(args[1]) for args, _ in calls], conditioning)


def denoiser(unet: UNet2DConditionModel, conditioning: dict[str, Any]) -> Callable[..., torch.Tensor]:
    """The network as k-diffusion calls it: noise over signal in, classifier-free guidance, denoised out."""
    sigmas = torch.from_numpy(from_diffusers(SCHEDULER).log_sigmas).exp()

    def model(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        timestep = (sigmas - sigma[0]).abs().argmin()
        scaled = x / (1 + sigma[0] ** 2).sqrt()
        negative, positive = unet(torch.cat([scaled, scaled]), timestep, **conditioning).sample.chunk(2)
        return x - sigma[0] * (negative + CFG * (positive - negative))

    return model


@pytest.mark.parametrize(("steps", "strength"), [(12, 0.7), (4, 0.3), (4, 0.4)])
def test_the_network_sees_the_official_timesteps(pipeline, steps, strength):
    assert published(pipeline, steps, strength).timesteps == official_timesteps(steps, strength)


@pytest.mark.parametrize(("steps", "strength"), [(12, 0.7), (4, 0.3)])
def test_refinement_is_the_published_pipelines(pipeline, steps, strength):
    run = published(pipeline, steps, strength)
    sigmas = torch.tensor(rollback_sigmas("official", strength, steps, from_diffusers(SCHEDULER)))
    refined = sample_unipc(denoiser(pipeline.unet, run.conditioning), CLEAN + sigmas[0] * NOISE, sigmas)
    assert (refined - CLEAN).abs().max() > 0.1
    assert (refined - run.latents).abs().max() < 1e-4
