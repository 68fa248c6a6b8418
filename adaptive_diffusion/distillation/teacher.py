"""The teacher as training asks it: its own prediction, and that of classifier-free guidance."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from .layouts import Condition, StableDiffusion
from .levels import Levels
from .prediction import clean_and_noise


@dataclass
class Teacher:
    """network: frozen; blank: the empty prompt's condition, (1, ...) each.

    adapted: whether the network also carries the student's adapters, which are off while the teacher itself is asked.
    """

    network: Any
    layout: StableDiffusion
    levels: Levels
    blank: Condition
    adapted: bool = False

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within, the network is the teacher's own."""
        if not self.adapted:
            yield
            return
        self.network.disable_adapters()
        try:
            yield
        finally:
            self.network.enable_adapters()

    def predict(
        self,
        network: torch.nn.Module,
        x: torch.Tensor,
        timesteps: torch.Tensor,
        condition: Mapping[str, torch.Tensor],
        guidance: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """x0 and e by a network of the teacher's kind, for x (B, C, H, W) at timesteps (B,), in float32.

        guidance: its embedding (B, E), where the network takes one. What the network is given is in its own precision.
        """
        dtype = next(network.parameters()).dtype
        given = {name: value.to(dtype) for name, value in condition.items()}
        embedding = None if guidance is None else guidance.to(dtype)
        prediction = self.layout.call(network, x.to(dtype), self.levels.told[timesteps], given, embedding).float()
        return clean_and_noise(self.levels.kind, prediction, x, *self.levels.at(timesteps))

    @torch.no_grad()
    def guided(
        self, x: torch.Tensor, timesteps: torch.Tensor, condition: Mapping[str, torch.Tensor], scales: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """x0 and e by classifier-free guidance of scales (B,), both predictions in one batch.

        e = e_blank + scale (e_prompt - e_blank) (arXiv 2207.12598, equation 6, whose w is scale - 1); x0, which is
        linear in e, is guided by the same sum.
        """
        both = {name: torch.cat([self.blank[name].expand_as(value), value]) for name, value in condition.items()}
        with self.alone():
            clean, noise = self.predict(self.network, torch.cat([x, x]), torch.cat([timesteps] * 2), both)
        scale = scales.view(-1, 1, 1, 1)
        return _extrapolated(clean, scale), _extrapolated(noise, scale)


def _extrapolated(both: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    without, with_prompt = both.chunk(2)
    return without + scale * (with_prompt - without)
