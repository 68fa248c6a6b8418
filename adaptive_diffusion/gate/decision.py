"""Scores of a batch and the gate's verdict over them (arXiv 2312.10835, Algorithm 1, line 2)."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

OF_ONE_BATCH = ("seed", "candidates")


@dataclass(frozen=True)
class StudentInfo:
    """What drew a batch: the settings a percentile table is only valid for. Unknown fields are None.

    candidates: how often each image of the batch was drawn; empty where each was drawn once.
    """

    name: str | None = None
    steps: int | None = None
    cfg: float | None = None
    sampler: str | None = None
    scheduler: str | None = None
    width: int | None = None
    height: int | None = None
    patches: str | None = None
    seed: int | None = None
    candidates: tuple[int, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        """What is known of how it draws, without what belongs to one batch."""
        return {name: value for name, value in asdict(self).items() if value is not None and name not in OF_ONE_BATCH}


@dataclass(frozen=True)
class QualityScores:
    """Scores of one batch (a "group" where many batches run as a list).

    values: one finite score per image, higher is better.
    prompts: the prompt each image was scored with, "" where it is not known.
    group, groups: the batch's place in the list it came in, and that list's length.
    rows, batch: the images' row numbers in that batch, and its size.
    digests: what tells each image and its prompt from others (see digest.py); empty where only scores came.
    """

    values: tuple[float, ...]
    estimator: str = "external"
    dtype: str = "float32"
    prompts: tuple[str, ...] = ()
    group: int = 0
    groups: int = 1
    rows: tuple[int, ...] = ()
    batch: int = 0
    digests: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row, value in enumerate(self.values):
            if not math.isfinite(value):
                raise ValueError(f"the score of image {row} is {value}; check the image and the estimator's weights")
        object.__setattr__(self, "prompts", self.prompts or ("",) * len(self))
        object.__setattr__(self, "rows", self.rows or tuple(range(len(self))))
        object.__setattr__(self, "batch", self.batch or len(self))
        if len(self.prompts) != len(self) or len(self.rows) != len(self) or len(self.digests) not in (0, len(self)):
            raise ValueError(
                f"{len(self)} scores came with {len(self.prompts)} prompts, {len(self.rows)} row numbers "
                f"and {len(self.digests)} digests"
            )

    def __len__(self) -> int:
        return len(self.values)

    def pick(self, positions: Sequence[int], values: Sequence[float] | None = None) -> "QualityScores":
        """The scores at `positions`, keeping each one's prompt and origin; `values` are those of other images there."""
        return replace(
            self,
            values=tuple(self.values[i] for i in positions) if values is None else tuple(values),
            prompts=tuple(self.prompts[i] for i in positions),
            rows=tuple(self.rows[i] for i in positions),
            digests=tuple(self.digests[i] for i in positions) if self.digests and values is None else (),
        )


@dataclass(frozen=True)
class GateDecision:
    """Which images of a batch go to the teacher.

    rejected: positions in `scores`, ascending. threshold: NaN where the verdicts were given by hand.
    """

    scores: QualityScores
    threshold: float
    rejected: tuple[int, ...]
    table: str = ""
    k: float | None = None
    student: StudentInfo | None = None

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def accepted(self) -> tuple[int, ...]:
        rejected = set(self.rejected)
        return tuple(i for i in range(len(self)) if i not in rejected)

    @property
    def any_rejected(self) -> bool:
        return bool(self.rejected)

    @property
    def origin_rows(self) -> tuple[int, ...]:
        """Row numbers of the rejected images in the student's full batch."""
        return tuple(self.scores.rows[i] for i in self.rejected)

    def take(self, full: torch.Tensor) -> torch.Tensor:
        """The rejected rows of `full` (B, ...)."""
        self._expect(full, len(self), "the scored batch")
        return full[list(self.rejected)]

    def scatter(self, full: torch.Tensor, improved: torch.Tensor) -> torch.Tensor:
        """A copy of `full` (B, ...) whose rejected rows are `improved` (R, ...), in order."""
        self._expect(full, len(self), "the scored batch")
        self._expect(improved, len(self.rejected), "the rejected images")
        merged = full.clone()
        merged[list(self.rejected)] = improved.to(merged)
        return merged

    def _expect(self, batch: torch.Tensor, count: int, what: str) -> None:
        if batch.shape[0] != count:
            raise ValueError(f"a batch of {batch.shape[0]} does not match {what} ({count})")


def decide(
    scores: QualityScores,
    threshold: float,
    table: str = "",
    k: float | None = None,
    student: StudentInfo | None = None,
) -> GateDecision:
    """Reject every score strictly below `threshold`; a tie keeps the student's image (Algorithm 1, line 2)."""
    if math.isnan(threshold):
        raise ValueError("the threshold is not a number; give a finite one")
    rejected = tuple(i for i, value in enumerate(scores.values) if value < threshold)
    return GateDecision(scores, threshold, rejected, table, k, student)
