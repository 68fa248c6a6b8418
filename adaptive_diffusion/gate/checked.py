"""What a judge answered to its questions on an image."""

from dataclasses import dataclass

import torch

from ..estimators.vlm.answers import checks_in
from .decision import QualityScores


@dataclass(frozen=True)
class Checked:
    """probability: of Yes to the question on the prompt, 0..1. checks: each named check with that of its Yes."""

    probability: float
    checks: tuple[tuple[str, float], ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """The names of the checks that failed: a Yes is less likely than anything else."""
        return tuple(name for name, probability in self.checks if probability < 0.5)


def checked(scores: QualityScores) -> list[Checked | None]:
    """What was answered on each image of a batch; None where nothing was asked.

    It lies in the last of the scores' features, as log-odds; 0 stands for an image that was not asked about.
    """
    names = checks_in(scores.feature_names)
    if not names or scores.features is None:
        return [None] * len(scores)
    return [_checked(names[1:], torch.from_numpy(row).double()) for row in scores.features[:, -len(names) :]]


def _checked(names: list[str], odds: torch.Tensor) -> Checked | None:
    first, *rest = odds.sigmoid().tolist()
    return Checked(first, tuple(zip(names, rest, strict=True))) if odds.any() else None
