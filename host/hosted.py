"""What the value of a QUALITY_ESTIMATOR link can do, whatever it asks."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from ..adaptive_diffusion.estimators.base import Reading
from ..adaptive_diffusion.gate.judge import Judge


class Hosted(ABC):
    """An estimator in ComfyUI. estimator: what tells of it, as `estimators.Estimator` does."""

    estimator: Any

    @property
    def described(self) -> Judge:
        """The estimator as a percentile table records it."""
        return Judge.of(self.estimator)

    @abstractmethod
    def read(self, images: torch.Tensor, prompts: Sequence[str]) -> Reading:
        """Scores and features of `images` (B, H, W, 3), floats 0..1; `prompts` has one entry per image."""

    def score(self, images: torch.Tensor, prompts: Sequence[str]) -> list[float]:
        """The scores alone; otherwise as `read`."""
        return self.read(images, prompts).scores.tolist()


def cut_by(judges: Iterable[Hosted | None], prompts: Sequence[str]) -> list[str]:
    """A sentence for each judge that does not read all prompts to their end; None stands for one that is not linked."""
    return [sentence for judge in judges if judge for sentence in judge.estimator.cut(prompts)]
