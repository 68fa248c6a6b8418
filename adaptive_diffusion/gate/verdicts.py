"""The decisions on all batches of a run, and the one way to pair values with them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

from .decision import GateDecision, QualityScores
from .rows import Rows


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
        ends = accumulate(sizes, initial=0)
        return Verdicts(tuple(self._group(i, start, end, sizes) for i, (start, end) in enumerate(pairwise(ends))))

    def _group(self, group: int, start: int, end: int, sizes: Sequence[int]) -> GateDecision:
        """The decision on the images from number `start` to `end`, counted through all batches."""
        every = [(decision, place) for decision in self for place in range(len(decision))][start:end]
        first = every[0][0]
        parts = [decision.scores.pick([place]) for decision, place in every]
        digests = tuple(part.digests[0] for part in parts) if all(part.digests for part in parts) else ()
        scores = replace(
            QualityScores(tuple(part.values[0] for part in parts), first.scores.estimator, first.scores.dtype),
            prompts=tuple(part.prompts[0] for part in parts),
            group=group,
            groups=len(sizes),
            rows=Rows.whole(end - start),
            digests=digests,
        )
        thresholds = {decision.threshold for decision, _ in every}
        return replace(
            first,
            scores=scores,
            threshold=thresholds.pop() if len(thresholds) == 1 else math.nan,
            rejected=tuple(i for i, (decision, place) in enumerate(every) if place in decision.rejected),
            bills=tuple(decision.bills[place] for decision, place in every),
        )

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
