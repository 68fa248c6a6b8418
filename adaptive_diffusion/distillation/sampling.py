"""How a student draws while it learns: the multistep sampling of consistency models, as the LCM samplers do."""

from collections.abc import Mapping, Sequence

import numpy
import torch

from ..diffusion.noise import derive_seed
from ..diffusion.schedules import lcm_timesteps, trailing_timesteps
from .consistency import boundary_scalings, guidance_embedding, solver_step
from .conversion import Conversion
from .latents import Latents, decode
from .layouts import Condition
from .objective import Objective, result_of
from .teacher import Teacher

SHOWN, PATH = 8, 8


@torch.no_grad()
def draw(
    teacher: Teacher,
    network: torch.nn.Module,
    noises: Sequence[torch.Tensor],
    condition: Mapping[str, torch.Tensor],
    guidance: float | None = None,
) -> torch.Tensor:
    """Latents (B, C, H, W) in as many steps as there are noises of that shape, the first being the start.

    arXiv 2310.04378, algorithm 3: at each of diffusers' LCM timesteps the clean image is named, and noised to the next.
    """
    times = lcm_timesteps(len(noises))
    embedding = guidance_embedding(torch.full((len(noises[0]),), guidance)).to(noises[0]) if guidance else None
    x = noises[0]
    for place, time in enumerate(times):
        timesteps = torch.full((len(x),), time, device=x.device)
        clean, _ = teacher.predict(network, x, timesteps, condition, embedding)
        skip, out = boundary_scalings(teacher.levels, timesteps)
        named = skip * x + out * clean
        if place + 1 == len(times):
            return named
        x = teacher.levels.noised(named, noises[place + 1], torch.full_like(timesteps, times[place + 1]))
    raise ValueError("a student needs at least one step")


@torch.no_grad()
def draw_slowly(teacher: Teacher, noise: torch.Tensor, condition: Condition, scale: float) -> torch.Tensor:
    """Latents (B, C, H, W) from noise of that shape by guided DDIM (arXiv 2010.02502) in PATH steps, trailing."""
    x, scales = noise, torch.full((len(noise),), scale, device=noise.device)
    times = trailing_timesteps(PATH)
    for time, below in zip(times, [*times[1:], None], strict=True):
        timesteps = torch.full((len(x),), time, device=x.device)
        clean, direction = teacher.guided(x, timesteps, condition, scales)
        x = clean if below is None else solver_step(teacher.levels, clean, direction, torch.full_like(timesteps, below))
    return x


def shown(teacher: Teacher, objective: Objective, latents: Latents, seed: int) -> numpy.ndarray:
    """Images (SHOWN, H, W, 3), uint8, of the first prompts of the data, always from the same noise.

    A student draws in one step, a model that is converted as it will be used.
    """
    first, condition = latents.rows(torch.arange(min(SHOWN, latents.count)))
    device = teacher.network.device
    generator = torch.Generator().manual_seed(derive_seed(seed, "shown"))
    noise = torch.randn(first.shape, generator=generator).to(device)
    there = {name: value.to(device) for name, value in condition.items()}
    if isinstance(objective, Conversion):
        made = draw_slowly(objective.converted, noise, there, objective.scale)
    else:
        made = draw(teacher, result_of(objective), [noise], there, objective.guidance)
    return pixels_of(decode(teacher.layout, made))


def pixels_of(decoded: torch.Tensor) -> numpy.ndarray:
    """Images (B, H, W, 3), uint8, of pixels (B, 3, H, W) in -1..1."""
    return ((decoded.float().clamp(-1, 1) + 1) * 127.5).round().byte().movedim(1, -1).cpu().numpy()
