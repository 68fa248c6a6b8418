"""What a judge answered to its questions on an image, and which named checks failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..estimators.vlm.answers import checks_in
from .decision import QualityScores


@dataclass(frozen=True)
class Answered:
    """probability: of Yes to the question on the prompt, 0..1. checks: each named check with that of its Yes."""

    probability: float
    checks: tuple[tuple[str, float], ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """The names of the checks that failed: a Yes is less likely than all else."""
        return tuple(name for name, probability in self.checks if probability < 0.5)


def answered(scores: QualityScores) -> list[Answered | None]:
    """What was answered on each image of a batch; None where nothing was asked.

    It lies in the last of the scores' features, as log-odds; 0 stands for an image that was not asked about.
    """
    names = checks_in(scores.feature_names)
    if not names or scores.features is None:
        return [None] * len(scores)
    return [_answered(names[1:], torch.from_numpy(row).double()) for row in scores.features[:, -len(names) :]]


def told_answers(groups: Sequence[Sequence[Answered | None]]) -> dict[str, Any]:
    """The same of all batches as JSON: each image's probability of Yes and its reasons; {} where none was asked."""
    if not any(each for group in groups for each in group):
        return {}
    return {
        "probabilities": [[each and each.probability for each in group] for group in groups],
        "reasons": [[list(each.reasons) if each else [] for each in group] for group in groups],
    }


def _answered(names: Sequence[str], odds: torch.Tensor) -> Answered | None:
    first, *rest = odds.sigmoid().tolist()
    return Answered(first, tuple(zip(names, rest, strict=True))) if odds.any() else None
