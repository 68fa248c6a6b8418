"""What a method of training is: networks that learn, a loss of each, and the student that comes out."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch

from .averaging import Averaged
from .layouts import Condition

STUDENT = "student"
Loss = tuple[str, torch.Tensor]


class Objective(ABC):
    """learners: what learns, by name. averaged: the student's moving average, which is what comes out; or None.

    guidance: what a student that takes guidance is asked for when it shows what it has learned; None for others.
    """

    learners: dict[str, torch.nn.Module]
    averaged: Averaged | None
    guidance: float | None = None

    @abstractmethod
    def losses(self, latents: torch.Tensor, condition: Condition, progress: float) -> Iterator[Loss]:
        """The loss of each learner in turn on clean latents (B, C, H, W); each is learned from before the next.

        progress: how far training is, from 0 to 1.
        """


def result_of(objective: Objective) -> Any:
    """The network that comes out."""
    return objective.averaged.network if objective.averaged else objective.learners[STUDENT]


def randn_like(x: torch.Tensor) -> torch.Tensor:
    """Unit noise from the CPU's generator, so that a step's seed gives the same on every device."""
    return torch.randn(x.shape).to(x)


def between(low: float, high: float, count: int) -> torch.Tensor:
    """Numbers (count,) drawn evenly between two, on the CPU."""
    return low + (high - low) * torch.rand(count)
