"""Scores of a batch and the gate's verdict over them (arXiv 2312.10835, Algorithm 1, line 2)."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy
import torch

from .cost import Spent
from .judge import Judge
from .outcome import ACCEPTED, FAILED, IMPROVED, KEPT, REJECTED, Outcome
from .rows import Rows
from .student import Student

if TYPE_CHECKING:
    from ..estimators.base import Reading

_NO_ROWS = Rows((), 0)


@dataclass(frozen=True)
class QualityScores:
    """Scores of one batch (a "group" where many batches run as a list).

    values: one finite score per image, higher is better; whole numbers and ties are allowed.
    estimator, dtype, weights: who gave them, as Judge has it.
    prompts: the prompt each image was scored with, "" where it is not known.
    group, groups: the batch's place in the list it came in, and that list's length.
    rows: the images' rows in that batch.
    digests: what tells each image and its prompt from others (see digest.py); empty where only scores came.
    outcomes: of images that an earlier gate rejected, what that led to; else empty.
    features: (B, F) float32, what the estimator saw in each image and its prompt; None where only scores came.
    feature_names: what these are, as the estimator tells it.
    relative: whether the estimator was made to compare images of one prompt.
    """

    values: tuple[float, ...]
    estimator: str = "external"
    dtype: str = "float32"
    prompts: tuple[str, ...] = ()
    group: int = 0
    groups: int = 1
    rows: Rows = _NO_ROWS
    digests: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = field(default=(), compare=False, repr=False)
    weights: str | None = None
    features: numpy.ndarray | None = field(default=None, compare=False, repr=False)
    feature_names: str = field(default="", compare=False, repr=False)
    relative: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(map(float, self.values)))
        for row, value in enumerate(self.values):
            if not math.isfinite(value):
                raise ValueError(f"the score of image {row} is {value}; check the image and the estimator's weights")
        object.__setattr__(self, "prompts", self.prompts or ("",) * len(self))
        object.__setattr__(self, "rows", self.rows if self.rows.batch else Rows.whole(len(self)))
        if len(self.prompts) != len(self) or len(self.rows) != len(self) or len(self.digests) not in (0, len(self)):
            raise ValueError(
                f"{len(self)} scores came with {len(self.prompts)} prompts, {len(self.rows)} row numbers "
                f"and {len(self.digests)} digests"
            )
        if self.features is not None and (self.features.ndim != 2 or len(self.features) != len(self)):
            raise ValueError(f"{len(self)} scores came with features of shape {self.features.shape}")

    @classmethod
    def by(cls, judge: Judge, values: Sequence[float], **origin: Any) -> "QualityScores":
        """The scores that `judge` gave; origin: the other fields."""
        return cls(tuple(values), judge.name or "", judge.dtype or "", weights=judge.weights, **origin)

    @classmethod
    def read_by(cls, estimator: Any, reading: "Reading", **origin: Any) -> "QualityScores":
        """The scores and features that an estimator read; one of another make may not tell all of itself."""
        names, relative = getattr(estimator, "feature_names", ""), getattr(estimator, "relative", False)
        seen = {"features": reading.features.numpy(), "feature_names": names, "relative": relative}
        return cls.by(Judge.of(estimator), reading.scores.tolist(), **seen, **origin)

    @property
    def judge(self) -> Judge:
        return Judge(self.estimator, self.dtype, self.weights)

    def __len__(self) -> int:
        return len(self.values)

    def pick(self, positions: Sequence[int]) -> "QualityScores":
        """The scores at `positions`, keeping each one's prompt and origin."""
        return replace(
            self,
            values=tuple(self.values[i] for i in positions),
            prompts=tuple(self.prompts[i] for i in positions),
            rows=self.rows.at(positions),
            digests=tuple(self.digests[i] for i in positions) if self.digests else (),
            outcomes=tuple(self.outcomes[i] for i in positions) if self.outcomes else (),
            features=None if self.features is None else self.features[list(positions)],
        )


@dataclass(frozen=True)
class GateDecision:
    """Which images of a batch go to the teacher.

    rejected: positions in `scores`, ascending. threshold: of the scores, or of the risks where there are any; NaN where
    the verdicts were given by hand. risks: what a learned gate makes of each score, 0..1; empty where a score decided.
    corrected: the positions whose verdict a person turned round.
    taken: the rejected positions whose improved image a merge took; None before one.
    outcomes: what became of each image, written by the nodes that follow; shared by all copies.
    """

    scores: QualityScores
    threshold: float
    rejected: tuple[int, ...]
    table: str = ""
    k: float | None = None
    student: Student | None = None
    taken: tuple[int, ...] | None = None
    outcomes: tuple[Outcome, ...] = field(default=(), compare=False, repr=False)
    risks: tuple[float, ...] = ()
    corrected: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.outcomes:
            earlier = self.scores.outcomes or (None,) * len(self)
            object.__setattr__(self, "outcomes", tuple(map(Outcome, earlier)))
        if self.student:
            object.__setattr__(self, "student", self.student.of_batch(self.scores.rows.batch))

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def accepted(self) -> tuple[int, ...]:
        rejected = set(self.rejected)
        return tuple(i for i in range(len(self)) if i not in rejected)

    @property
    def any_rejected(self) -> bool:
        return bool(self.rejected)

    def was_taken(self, image: int, nodes: Collection[str] | None = None) -> bool | None:
        """Whether the improved image is the final one, by this decision or by a merge among `nodes`, of all without;
        None where none told.
        """
        if image not in self.rejected or self.failed(image, nodes):
            return False
        return self.outcomes[image].was_taken(nodes) if self.taken is None else image in self.taken

    def failed(self, image: int, nodes: Collection[str] | None = None) -> bool:
        """Whether the teachers among `nodes`, of all without, made nothing of an image, so that the student's stays."""
        return image in self.rejected and self.outcomes[image].failed(nodes)

    def verdict(self, image: int, nodes: Collection[str] | None = None) -> str:
        """In a word; see `failed`."""
        if self.failed(image, nodes):
            return FAILED
        return REJECTED if image in self.rejected else ACCEPTED

    def became(self, image: int, nodes: Collection[str] | None = None) -> str:
        """In a word, what came of it; see `was_taken`. Where no merge told, the teacher's, if one told its cost."""
        verdict, taken = self.verdict(image, nodes), self.was_taken(image, nodes)
        if verdict != REJECTED:
            return verdict
        if taken is None:
            return IMPROVED if self.outcomes[image].paid(nodes) else REJECTED
        return IMPROVED if taken else KEPT

    @property
    def merits(self) -> tuple[tuple[float, ...], float]:
        """A number for each image, higher is better, and what it was rejected under: scores, or risks turned round."""
        if self.risks:
            return tuple(-risk for risk in self.risks), -self.threshold
        return self.scores.values, self.threshold

    @property
    def bills(self) -> list[dict[str, Spent]]:
        """For each image what each teacher's node spent on it, to be written when it has."""
        return [outcome.spent for outcome in self.outcomes]

    @property
    def seen_again(self) -> QualityScores:
        """The scores of the rejected images, as those that come after them begin."""
        again = self.scores.pick(self.rejected)
        return replace(again, outcomes=tuple(self.outcomes[i] for i in self.rejected))

    @property
    def rejected_rows(self) -> Rows:
        """The rejected images' rows in the student's full batch."""
        return self.scores.rows.at(self.rejected)

    def places(self, count: int, name: str) -> Sequence[int]:
        """Where the rejected images lie among `count` called `name`: all that were judged, or the rejected ones only.

        ValueError for any other count.
        """
        if count == len(self):
            return self.rejected
        if count == len(self.rejected):
            return range(count)
        raise ValueError(
            f"{count} {name} came for {len(self.rejected)} rejected images of {len(self)}; "
            "link those of exactly the rejected images, or of the whole batch"
        )

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
    student: Student | None = None,
    risks: Sequence[float] = (),
) -> GateDecision:
    """Reject every score strictly below `threshold` (Algorithm 1, line 2), or where there are `risks` (B,), every image
    whose risk lies strictly above it; a tie keeps the student's image. ValueError for a number that is none.
    """
    if math.isnan(threshold):
        raise ValueError("the threshold is not a number; give a finite one")
    for row, risk in enumerate(risks):
        if not math.isfinite(risk):
            raise ValueError(f"the risk of image {row} is {risk}; check the image and the gate's file")
    judged = GateDecision(scores, threshold, (), table, k, student, risks=tuple(map(float, risks)))
    merits, least = judged.merits
    return replace(judged, rejected=tuple(i for i, merit in enumerate(merits) if merit < least))
