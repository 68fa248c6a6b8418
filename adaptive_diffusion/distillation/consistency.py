"""Latent consistency distillation (LCM, arXiv 2310.04378), of all weights or of a LoRA (LCM-LoRA, arXiv 2311.05556)."""

from collections.abc import Iterator

import torch
from diffusers import LatentConsistencyModelPipeline

from ..diffusion.schedules import LCM_POINTS, TRAIN_STEPS
from .averaging import Averaged
from .layouts import Condition
from .levels import Levels
from .objective import STUDENT, Loss, Objective, between, randn_like
from .prediction import FLOW
from .teacher import Teacher

SIGMA_DATA, TIMESTEP_SCALING = 0.5, 10.0
SKIP = TRAIN_STEPS // LCM_POINTS
HUBER = 0.01
GUIDANCE_WIDTH = 256


def boundary_scalings(levels: Levels, timesteps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """c_skip and c_out, (B, 1, 1, 1) each, of f(x, t) = c_skip x + c_out x0, which is x where t is 0.

    arXiv 2310.04378, equation 9, with the scaled time of its LCMScheduler; on flow models x0 = x - t v is that already.
    """
    if levels.kind == FLOW:
        one = torch.ones_like(levels.signal[timesteps]).view(-1, 1, 1, 1)
        return torch.zeros_like(one), one
    scaled = (timesteps * TIMESTEP_SCALING).view(-1, 1, 1, 1)
    square = scaled**2 + SIGMA_DATA**2
    return SIGMA_DATA**2 / square, scaled / square**0.5


def solver_step(levels: Levels, clean: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
    """DDIM's step to timesteps (B,): a x0 + s e (arXiv 2010.02502, equation 12 at eta 0). On flow models, Euler's."""
    return levels.noised(clean, noise, timesteps)


def huber(error: torch.Tensor, c: float = HUBER) -> torch.Tensor:
    """The mean pseudo-Huber distance sqrt(error^2 + c^2) - c (arXiv 2310.14189, equation 7)."""
    return ((error.square() + c**2).sqrt() - c).mean()


def guidance_embedding(scales: torch.Tensor) -> torch.Tensor:
    """What a guided student is told of guidance scales (B,): diffusers' embedding of w = scale - 1, (B, 256)."""
    embed = LatentConsistencyModelPipeline.get_guidance_scale_embedding
    return embed(None, scales - 1, embedding_dim=GUIDANCE_WIDTH)


class Consistency(Objective):
    """Every point of the teacher's guided path names its end: f(x_t, t) is f of the point one solver step on.

    student: learns, and takes the guidance as an input where `embeds`. averaged: names the target; without one, as for
    a LoRA, the student itself does. guidance: lowest and highest scale, in classifier-free guidance's unit.
    """

    def __init__(
        self,
        teacher: Teacher,
        student: torch.nn.Module,
        guidance: tuple[float, float],
        embeds: bool,
        averaged: Averaged | None,
    ):
        self.teacher, self.range, self.embeds, self.averaged = teacher, guidance, embeds, averaged
        self.learners = {STUDENT: student}
        self.guidance = sum(guidance) / 2 if embeds else None

    def losses(self, latents: torch.Tensor, condition: Condition, progress: float) -> Iterator[Loss]:
        """Equation 14 of arXiv 2310.04378, one of its 50 points for each image."""
        levels, count = self.teacher.levels, len(latents)
        timesteps = (torch.randint(LCM_POINTS, (count,)) * SKIP + SKIP - 1).to(latents.device)
        scales = between(*self.range, count)
        embedding = guidance_embedding(scales).to(latents.device) if self.embeds else None
        x = levels.as_sampled(latents, randn_like(latents), timesteps)
        clean, noise = self.teacher.guided(x, timesteps, condition, scales.to(latents.device))
        target = self._target(clean, noise, (timesteps - SKIP).clamp(min=0), condition, embedding)
        named = self._named(self.learners[STUDENT], x, timesteps, condition, embedding)
        yield STUDENT, huber(named - target)

    @torch.no_grad()
    def _target(
        self,
        clean: torch.Tensor,
        noise: torch.Tensor,
        timesteps: torch.Tensor,
        condition: Condition,
        embedding: torch.Tensor | None,
    ) -> torch.Tensor:
        x = solver_step(self.teacher.levels, clean, noise, timesteps)
        network = self.averaged.network if self.averaged else self.learners[STUDENT]
        return self._named(network, x, timesteps, condition, embedding)

    def _named(
        self,
        network: torch.nn.Module,
        x: torch.Tensor,
        timesteps: torch.Tensor,
        condition: Condition,
        embedding: torch.Tensor | None,
    ) -> torch.Tensor:
        """f(x, t)."""
        clean, _ = self.teacher.predict(network, x, timesteps, condition, embedding)
        skip, out = boundary_scalings(self.teacher.levels, timesteps)
        return skip * x + out * clean
