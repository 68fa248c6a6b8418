"""Fine-tuning a model to another kind of prediction, and to zero terminal SNR (arXiv 2202.00512, 2305.08891)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from diffusers import DDIMScheduler

from .averaging import Averaged
from .layouts import Condition
from .levels import Levels
from .objective import STUDENT, Loss, Objective, randn_like, result_of
from .prediction import DIFFUSION, EPSILON, error_of_clean, prediction_of
from .teacher import Teacher

GAMMA = 5.0
OWN_SHARE = 0.3
MOST_AMPLIFIED = 2.0
BLANK_SHARE = 0.1


def min_snr_weight(kind: str, a: torch.Tensor, s: torch.Tensor, gamma: float = GAMMA) -> torch.Tensor:
    """Min-SNR (arXiv 2303.09556, equation 6), a weight of the squared error of a prediction of this kind.

    Of x0's error the weight is SNR = a^2 / s^2, at most gamma; and at least 1, as in arXiv 2202.00512, equation 9,
    since it would be 0 where the SNR is. An error of the prediction is one of x0 times a factor, whose square enters.
    """
    snr = (a / s).square()
    return snr.clamp(1.0, gamma) * error_of_clean(kind, a, s).square()


def converted_scheduler(scheduler: Any, kind: str, zero_snr: bool) -> DDIMScheduler:
    """The scheduler with which an unchanged diffusers pipeline draws the model of the other kind.

    ValueError for a kind that no such model has, for epsilon at zero SNR, where nothing can be learned from it, and
    where the model is of this kind already.
    """
    if kind not in DIFFUSION:
        raise ValueError(f"prediction is {kind}; choose one of {', '.join(DIFFUSION)}")
    if kind == EPSILON and zero_snr:
        raise ValueError("at zero SNR the noise is all there is, and predicting it says nothing; choose v_prediction")
    made = DDIMScheduler.from_config(
        scheduler.config,
        prediction_type=kind,
        rescale_betas_zero_snr=zero_snr,
        timestep_spacing="trailing",
        clip_sample=False,
    )
    old, new = Levels.of(scheduler), Levels.of(made)
    if old.kind == kind and torch.allclose(old.signal, new.signal, atol=1e-6):
        raise ValueError(f"the model predicts {kind} on these noise levels already; there is nothing to learn")
    return made


class Conversion(Objective):
    """First the old model's own prediction, converted, is learned where that is exact; then, and elsewhere, the data.

    old: the model as it was; network: its copy that learns; levels: the new ones, of the new kind. scale: the
    guidance with which the model is shown.
    """

    def __init__(self, old: Teacher, network: torch.nn.Module, levels: Levels, averaged: Averaged, scale: float):
        self.old, self.levels, self.averaged, self.scale = old, levels, averaged, scale
        self.learners = {STUDENT: network}
        self.same = nearest_levels(old.levels, levels)

    def losses(self, latents: torch.Tensor, condition: Condition, progress: float) -> Iterator[Loss]:
        """The weighted squared error of the new prediction, with one prompt in ten left out for guidance."""
        count = len(latents)
        timesteps = torch.randint(len(self.levels.signal), (count,)).to(latents.device)
        noise = randn_like(latents)
        condition = self._with_blanks(condition, count)
        x = self.levels.noised(latents, noise, timesteps)
        if progress < OWN_SHARE:
            latents, noise = self._own(x, latents, noise, timesteps, condition)
        a, s = self.levels.at(timesteps)
        target = prediction_of(self.levels.kind, latents, noise, a, s)
        told = self.levels.told[timesteps]
        found = self.old.layout.call(self.learners[STUDENT], x, told, condition).float()
        yield STUDENT, (min_snr_weight(self.levels.kind, a, s) * (found - target).square()).mean()

    @property
    def converted(self) -> Teacher:
        """The model as it is by now."""
        return replace(self.old, network=result_of(self), levels=self.levels)

    @torch.no_grad()
    def _own(
        self, x: torch.Tensor, clean: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor, condition: Condition
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """x0 and e as the old model says, at its level of the same SNR; the data's where it has none, or amplifies."""
        same = self.same[timesteps]
        known = same >= 0
        a, s = self.old.levels.at(same.clamp(min=0))
        known = known.view(-1, 1, 1, 1) & (error_of_clean(self.old.levels.kind, a, s) <= MOST_AMPLIFIED)
        own_clean, own_noise = self.old.predict(self.old.network, x, same.clamp(min=0), condition)
        return torch.where(known, own_clean, clean), torch.where(known, own_noise, noise)

    def _with_blanks(self, condition: Condition, count: int) -> Condition:
        blank = torch.rand(count) < BLANK_SHARE
        found = {}
        for name, value in condition.items():
            where = blank.to(value.device).view(-1, *[1] * (value.ndim - 1))
            found[name] = torch.where(where, self.old.blank[name].expand_as(value), value)
        return found


def nearest_levels(old: Levels, new: Levels) -> torch.Tensor:
    """For each new timestep the old one of the nearest SNR, (T,); -1 where the old model knows nothing as noisy."""
    ratios, wanted = old.noise / old.signal, new.noise / new.signal
    above = torch.searchsorted(ratios, wanted).clamp(1, len(ratios) - 1)
    nearer = torch.where((wanted - ratios[above - 1]) < (ratios[above] - wanted), above - 1, above)
    return torch.where(wanted <= ratios[-1] * 1.01, nearer, -1)
