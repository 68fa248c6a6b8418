"""The decisions on all batches of a run, and the one way to pair values with them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any, TypeVar

import numpy

from .decision import GateDecision, QualityScores
from .student import Student

T = TypeVar("T")


@dataclass(frozen=True)
class Verdicts:
    """A decision for each batch, in order."""

    decisions: tuple[GateDecision, ...]

    def __iter__(self) -> Iterator[GateDecision]:
        return iter(self.decisions)

    def __len__(self) -> int:
        return len(self.decisions)

    @property
    def any_rejected(self) -> bool:
        return any(decision.any_rejected for decision in self)

    @property
    def images(self) -> int:
        """How many images were judged, all batches together."""
        return sum(map(len, self))

    def fitted(self, sizes: Sequence[int]) -> "Verdicts":
        """The same verdicts on batches of `sizes`, where those hold the same number of images and differ.

        Images that were scored one by one or by an outside judge as one list get a decision for each batch they are in.
        """
        if [*map(len, self)] == [*sizes] or self.images != sum(sizes):
            return self
        scores = regrouped([decision.scores for decision in self], sizes)
        every = [(decision, place) for decision in self for place in range(len(decision))]
        return Verdicts(tuple(map(_joined, _cut(every, sizes), scores)))

    def of_whole_batches(self, sizes: Sequence[int], name: str) -> "Verdicts":
        """The same verdicts on the batches called `name`, of `sizes`; ValueError where these hold other images."""
        verdicts = self.fitted(sizes)
        scored = [*map(len, verdicts)]
        if scored != (verdicts.per_batch(sizes, name) if len(sizes) > 1 else [*sizes]):
            told = f"{name} holds {_added(sizes)} images, but {_added(scored)} were scored"
            raise ValueError(f"{told}; link the batches that were scored")
        return verdicts

    def per_batch(self, values: Sequence[Any], name: str) -> list[Any]:
        """One of `values` for each batch: a single one serves all; otherwise one for each, one for each batch of the
        list the decisions came from, or one for each that has rejected images (None then stands for the others).
        """
        if len(values) == 1:
            return list(values) * len(self)
        if len(values) == len(self):
            return list(values)
        if len(values) == self.decisions[0].scores.groups:
            return [values[decision.scores.group] for decision in self]
        if len(values) == self._rejecting:
            return self._spread(values)
        raise ValueError(
            f"{len(values)} values of {name} do not fit {len(self)} batches; link one for all or one for each batch"
        )

    def per_image(self, values: Sequence[Any], name: str) -> list[tuple[Any, ...]]:
        """For each batch a tuple with one of `values` for each image: one for each, or as `per_batch` takes them."""
        if len(values) == self.images:
            remaining = iter(values)
            return [tuple(next(remaining) for _ in decision.scores.values) for decision in self]
        spread = zip(self.per_batch(values, name), self, strict=True)
        return [(value,) * len(decision) for value, decision in spread]

    def per_rejecting(self, values: Sequence[Any], name: str) -> list[Any]:
        """One of `values` for each batch with rejected images, None for the others; from one for each batch, or one for
        each of those. A single None stands for nothing linked.
        """
        if values[0] is None:
            return [None] * len(self)
        if len(values) == len(self):
            return [value if decision.any_rejected else None for value, decision in zip(values, self, strict=True)]
        if len(values) == self._rejecting:
            return self._spread(values)
        raise ValueError(
            f"{len(values)} batches of {name} came for {self._rejecting} batches with rejected images; "
            "link what the teacher made of exactly the rejected ones"
        )

    @property
    def _rejecting(self) -> int:
        return sum(decision.any_rejected for decision in self)

    def _spread(self, values: Sequence[Any]) -> list[Any]:
        remaining = iter(values)
        return [next(remaining) if decision.any_rejected else None for decision in self]


def regrouped(groups: Sequence[QualityScores], sizes: Sequence[int]) -> list[QualityScores]:
    """The same scores in batches of `sizes`, where those hold the same number of images and differ."""
    counts = [*map(len, groups)]
    judges = {group.judge for group in groups}
    if not sizes or counts == [*sizes] or sum(counts) != sum(sizes) or len(judges) > 1:
        return [*groups]
    every = [group.pick([place]) for group in groups for place in range(len(group))]
    return [_batch(parts, group, len(sizes)) for group, parts in enumerate(_cut(every, sizes))]


def _batch(parts: Sequence[QualityScores], group: int, groups: int) -> QualityScores:
    """The scores of single images as those of one batch of a list."""
    digests, outcomes = (
        tuple(first for part in parts for first in getattr(part, name)) for name in ("digests", "outcomes")
    )
    return QualityScores.by(
        parts[0].judge,
        [part.values[0] for part in parts],
        prompts=tuple(part.prompts[0] for part in parts),
        group=group,
        groups=groups,
        digests=digests if len(digests) == len(parts) else (),
        outcomes=outcomes if len(outcomes) == len(parts) else (),
        relative=parts[0].relative,
        **_features(parts),
    )


def _features(parts: Sequence[QualityScores]) -> dict[str, Any]:
    """The features of the parts, one after the other, where all of them know the same."""
    known = [part.features for part in parts if part.features is not None]
    alike = {part.feature_names for part in parts}
    if len(known) < len(parts) or len(alike) > 1:
        return {}
    return {"features": numpy.concatenate(known), "feature_names": alike.pop()}


def _joined(every: Sequence[tuple[GateDecision, int]], scores: QualityScores) -> GateDecision:
    """The decision on a batch, `scores`, whose images lie at these places in the batches of these decisions."""
    first = every[0][0]
    threshold = common([decision.threshold for decision, _ in every])
    return replace(
        first,
        scores=scores,
        threshold=math.nan if threshold is None else threshold,
        k=common([decision.k for decision, _ in every]),
        rejected=tuple(i for i, (decision, place) in enumerate(every) if place in decision.rejected),
        student=_student([(decision.student, decision.scores.rows.numbers[place]) for decision, place in every]),
        taken=_taken(every),
        outcomes=tuple(decision.outcomes[place] for decision, place in every),
        risks=_risks(every),
        corrected=tuple(i for i, (decision, place) in enumerate(every) if place in decision.corrected),
    )


def _student(every: Sequence[tuple[Student | None, int]]) -> Student | None:
    known = [(student, row) for student, row in every if student]
    return Student.of_images(known) if len(known) == len(every) else None


def _risks(every: Sequence[tuple[GateDecision, int]]) -> tuple[float, ...]:
    return tuple(each.risks[place] for each, place in every) if all(each.risks for each, _ in every) else ()


def _taken(every: Sequence[tuple[GateDecision, int]]) -> tuple[int, ...] | None:
    if any(decision.taken is None for decision, _ in every):
        return None
    return tuple(i for i, (decision, place) in enumerate(every) if place in (decision.taken or ()))


def common(values: Sequence[T]) -> T | None:
    """The value that all are; None where they differ."""
    return values[0] if all(value == values[0] for value in values) else None


def _cut(every: Sequence[T], sizes: Sequence[int]) -> list[Sequence[T]]:
    """One part after the other, of these sizes."""
    return [every[start:end] for start, end in pairwise(accumulate(sizes, initial=0))]


def _added(sizes: Sequence[int]) -> str:
    return " + ".join(map(str, sizes))
