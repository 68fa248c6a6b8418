"""The noise levels that a network was trained on, one for each training timestep."""

from dataclasses import dataclass, replace
from typing import Any

import torch

from ..diffusion.schedules import LOWEST_ALPHABAR, TRAIN_STEPS, FlowSchedule, from_diffusers
from ..quoting import listed, quoted
from .prediction import DIFFUSION, FLOW


@dataclass(frozen=True)
class Levels:
    """x = signal x0 + noise e, and `told`, what the network is told, at each training timestep, (T,) each in float32.

    kind: what the network predicts, of `prediction`.
    """

    signal: torch.Tensor
    noise: torch.Tensor
    told: torch.Tensor
    kind: str

    @classmethod
    def of(cls, scheduler: Any) -> "Levels":
        """Those of a diffusers scheduler; ValueError where its schedule is not known."""
        schedule = from_diffusers(scheduler)
        if isinstance(schedule, FlowSchedule):
            times = torch.tensor([schedule.sigma_of_timestep(t) for t in range(TRAIN_STEPS)], dtype=torch.float64)
            return cls((1 - times).float(), times.float(), (TRAIN_STEPS * times).float(), FLOW)
        alphabar = torch.as_tensor(scheduler.alphas_cumprod).double().cpu()
        kind = scheduler.config.get("prediction_type", "epsilon")
        _check(alphabar, kind)
        return cls.of_alphabar(alphabar, kind)

    @classmethod
    def of_alphabar(cls, alphabar: torch.Tensor, kind: str) -> "Levels":
        """Those of a diffusion model; at zero terminal SNR (arXiv 2305.08891) nothing is left of the signal."""
        alphabar = torch.where(alphabar > LOWEST_ALPHABAR, alphabar.double(), 0.0)
        told = torch.arange(len(alphabar), dtype=torch.float32)
        return cls(alphabar.sqrt().float(), (1 - alphabar).sqrt().float(), told, kind)

    def to(self, device: torch.device | str) -> "Levels":
        parts = {name: getattr(self, name).to(device) for name in ("signal", "noise", "told")}
        return replace(self, **parts)

    def at(self, timesteps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Signal and noise at timesteps (B,), (B, 1, 1, 1) each."""
        return self.signal[timesteps].view(-1, 1, 1, 1), self.noise[timesteps].view(-1, 1, 1, 1)

    def noised(self, clean: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """signal x0 + noise e of clean latents (B, C, H, W) at timesteps (B,)."""
        a, s = self.at(timesteps)
        return a * clean + s * noise

    def as_sampled(self, clean: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """As `noised`, but at the last timestep the noise alone, from which sampling begins.

        Most schedules leave some of the image there, which a network would learn to use (arXiv 2305.08891, section
        3.1).
        """
        last = (timesteps == len(self.signal) - 1).view(-1, 1, 1, 1)
        return torch.where(last, noise, self.noised(clean, noise, timesteps))


def _check(alphabar: torch.Tensor, kind: str) -> None:
    if kind not in DIFFUSION:
        raise ValueError(
            f"the teacher's scheduler says prediction_type {quoted(kind)}; make it one of {listed(DIFFUSION)}"
        )
    if len(alphabar) != TRAIN_STEPS:
        raise ValueError(
            f"the teacher's scheduler has {len(alphabar)} training timesteps; students are made of one with "
            f"{TRAIN_STEPS}"
        )
    if not ((alphabar[:-1] > 0) & (alphabar[1:] >= 0) & (alphabar[1:] < alphabar[:-1])).all():
        raise ValueError(
            "the teacher's scheduler has betas that leave no noise levels; set beta_start and beta_end right"
        )
