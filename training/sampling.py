"""Sampling the shipped demo models outside any pipeline: many captions in batches, one seed per image."""

import itertools
import random
from pathlib import Path

import numpy
import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from transformers import CLIPTextModel

from adaptive_diffusion.diffusion.noise import derive_seed
from adaptive_diffusion.diffusion.rollback import rollback_sigmas
from adaptive_diffusion.diffusion.schedules import DiscreteSchedule, lcm_timesteps, trailing_timesteps
from adaptive_diffusion.diffusion.unipc import sample_unipc
from adaptive_diffusion.standalone.scenes import Scene

from .diffusion import signal_and_noise
from .scenes import part_of, sample_scene
from .text import tokenize

BATCH = 60


class DemoModels:
    """The shipped student, teacher, text encoder and VAE of a folder, in float32."""

    def __init__(self, folder: Path):
        self.teacher = UNet2DConditionModel.from_pretrained(folder, subfolder="unet").float().eval()
        self.student = UNet2DConditionModel.from_pretrained(folder, subfolder="student_unet").float().eval()
        self.text = CLIPTextModel.from_pretrained(folder, subfolder="text_encoder").float().eval()
        self.vae = AutoencoderTiny.from_pretrained(folder, subfolder="vae").float().eval()
        self.schedule = DiscreteSchedule((signal_and_noise(torch.arange(1000))[0] ** 2).flatten().double().numpy())

    def states(self, captions: list[str]) -> torch.Tensor:
        return self.text(tokenize(captions)).last_hidden_state

    def denoise(
        self, unet, x: torch.Tensor, t: int, states: torch.Tensor, cfg: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The clean latent and the noise that v stands for, at x (B, 8, 8, 8) = signal clean + sigma noise."""
        steps = torch.full((len(x),), t)
        v = unet(x, steps, states).sample
        if cfg != 1:
            blank = unet(x, steps, self.states([""]).expand_as(states)).sample
            v = blank + cfg * (v - blank)
        signal, sigma = signal_and_noise(steps)
        return signal * x - sigma * v, sigma * x + signal * v

    def teacher_ddim(self, captions: list[str], noise: torch.Tensor, steps: int, cfg: float) -> torch.Tensor:
        """Latents by DDIM (arXiv 2010.02502) without noise, at trailing timesteps."""
        states, x = self.states(captions), noise
        timesteps = trailing_timesteps(steps)
        for t, below in zip(timesteps, [*timesteps[1:], None], strict=True):
            clean, direction = self.denoise(self.teacher, x, t, states, cfg)
            signal, sigma = (1.0, 0.0) if below is None else signal_and_noise(torch.tensor([below]))
            x = signal * clean + sigma * direction
        return x

    def student_lcm(self, captions: list[str], seeds: list[int], steps: int) -> torch.Tensor:
        """Latents by multistep consistency sampling (arXiv 2310.04378, Algorithm 3)."""
        states, x = self.states(captions), noise_of(seeds)
        timesteps = lcm_timesteps(steps)
        for i, t in enumerate(timesteps):
            x, _ = self.denoise(self.student, x, t, states, 1.0)
            if i + 1 < steps:
                signal, sigma = signal_and_noise(torch.tensor([timesteps[i + 1]]))
                x = signal * x + sigma * noise_of([derive_seed(seed, i) for seed in seeds])
        return x

    def teacher_unipc(self, captions, start: torch.Tensor, sigmas: list[float], cfg: float) -> torch.Tensor:
        """Latents from `start` = clean + sigma noise at sigmas[0], by the pack's own UniPC."""
        states = self.states(captions)
        table = self.schedule.log_sigmas

        def model(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
            level = sigma[0].item()
            t = float(numpy.interp(numpy.log(level), table, numpy.arange(1000)))
            clean, _ = self.denoise(self.teacher, x / (1 + level**2) ** 0.5, round(t), states, cfg)
            return clean

        return sample_unipc(model, start, torch.tensor(sigmas))

    def refine(self, captions, latents, seeds: list[int], steps: int, rollback: float, cfg: float) -> torch.Tensor:
        sigmas = rollback_sigmas("schedule", rollback, steps, self.schedule)
        noise = noise_of([derive_seed(seed, "refine") for seed in seeds])
        return self.teacher_unipc(captions, latents + sigmas[0] * noise, sigmas, cfg)

    def regenerate(self, captions: list[str], seeds: list[int], steps: int, cfg: float) -> torch.Tensor:
        """Latents drawn anew, from the noise that the student started from."""
        sigmas = rollback_sigmas("schedule", 1.0, steps, self.schedule)
        return self.teacher_unipc(captions, noise_of(seeds) * (1 + sigmas[0] ** 2) ** 0.5, sigmas, cfg)

    def decode(self, latents: torch.Tensor) -> numpy.ndarray:
        """Images (B, 64, 64, 3), uint8."""
        pixels = self.vae.decoder(latents).add(1).mul(127.5).round().clamp(0, 255)
        return pixels.byte().permute(0, 2, 3, 1).numpy()


def noise_of(seeds: list[int]) -> torch.Tensor:
    return torch.stack([torch.randn((8, 8, 8), generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def captions_for(count: int, seed: int, part: str = "training") -> tuple[list[Scene], list[int]]:
    """`count` scenes, one to three objects in turn, and a noise seed for each; meanings and seeds belong to `part`."""
    rng = random.Random(seed)
    return [sample_scene(rng, 1 + i % 3, part) for i in range(count)], seeds_for(count, seed, part)


def seeds_for(count: int, seed: int, part: str = "training") -> list[int]:
    """The first `count` noise seeds derived from `seed` that belong to `part`."""
    derived = (derive_seed(seed, i) for i in itertools.count())
    return list(itertools.islice((s for s in derived if part_of(s) == part), count))
