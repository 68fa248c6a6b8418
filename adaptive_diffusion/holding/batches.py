"""Held images as batches with their decisions, and back."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy
import torch

from ..gate.cost import Spent
from ..gate.decision import GateDecision, QualityScores
from ..gate.outcome import Outcome
from ..gate.rows import Rows
from .image import HeldImage
from .origin import Origin
from .results import Result

NOTHING = Spent(0, 0)


@dataclass(frozen=True, eq=False)
class HeldBatch:
    """Images that were rejected in one batch of one prompt, with the decision that rejected all of them.

    images: (R, H, W, C). latent: (R, C, h, w) or (R, C, 1, h, w); noise_mask: (R, 1, h, w); batch_index: one for each;
    None where they are not known.
    """

    decision: GateDecision
    images: torch.Tensor
    latent: torch.Tensor | None
    noise_mask: torch.Tensor | None
    batch_index: list[int] | None
    prompt: str
    seed: int


def held_images(
    decision: GateDecision,
    images: torch.Tensor,
    seeds: Sequence[int],
    latent: torch.Tensor | None = None,
    noise_mask: torch.Tensor | None = None,
    batch_index: Sequence[int] | None = None,
) -> Iterator[HeldImage]:
    """What is to be held of a decision's rejected images.

    images: (R, H, W, C), of these alone, as are latent (R, ...), noise_mask (R or 1, ...) and batch_index; seeds: of
    all images. ValueError where the prompts are not known.
    """
    if not all(decision.scores.prompts[i] for i in decision.rejected):
        raise ValueError("the prompts are not known; link them to Quality Score, and its scores to Threshold Gate")
    for place, position in enumerate(decision.rejected):
        yield HeldImage(
            _array(images[place]),
            seed=seeds[position],
            latent=None if latent is None else _array(latent[place]),
            noise_mask=None if noise_mask is None else _array(noise_mask[place % len(noise_mask)]),
            batch_index=None if batch_index is None else int(batch_index[place]),
            **_judged(decision, position),
        )


def _judged(decision: GateDecision, position: int) -> dict[str, Any]:
    """What is known of an image from its decision."""
    scores, student = decision.scores, decision.student
    row = scores.rows.numbers[position]
    return {
        "prompt": scores.prompts[position],
        "score": scores.values[position],
        "threshold": decision.threshold,
        "risk": decision.risks[position] if decision.risks else None,
        "row": row,
        "batch": scores.rows.batch,
        "group": scores.group,
        "features": None if scores.features is None else numpy.asarray(scores.features[position], numpy.float32),
        "spent": student.spent[row] if student and student.spent else None,
        "drawn": student.drawn(row) if student else 1,
    }


def batches(origin: Origin, images: Mapping[str, HeldImage], finish: Callable[[str, Result], None]) -> list[HeldBatch]:
    """Held images by their names as batches, each of one size, prompt, seed and batch of the student's.

    finish: what is called with a name and the result, once one of these images has come to its end.
    """
    groups: dict[tuple[Any, ...], dict[str, HeldImage]] = {}
    same_row: Counter[tuple[Any, ...]] = Counter()
    for name, image in images.items():
        row = (_key(image), image.row)
        groups.setdefault((_key(image), same_row[row]), {})[name] = image
        same_row[row] += 1
    return [_batch(origin, group, number, len(groups), finish) for number, group in enumerate(groups.values())]


def _key(held: HeldImage) -> tuple[Any, ...]:
    shapes = [None if array is None else array.shape for array in (held.latent, held.noise_mask, held.features)]
    place = (held.prompt, held.seed, held.batch, held.group, held.batch_index is None)
    return (held.image.shape, *shapes, *place, repr(held.threshold), held.risk is None)


def _batch(
    origin: Origin, images: Mapping[str, HeldImage], group: int, groups: int, finish: Callable[[str, Result], None]
) -> HeldBatch:
    every = list(images.values())
    first = every[0]
    decision = _decision(origin, every, group, groups)
    outcomes = tuple(Outcome(keep=partial(finish, name)) for name in images)
    return HeldBatch(
        replace(decision, outcomes=outcomes),
        torch.from_numpy(numpy.stack([held.image for held in every])),
        _stacked([held.latent for held in every]),
        _stacked([held.noise_mask for held in every]),
        None if first.batch_index is None else [held.batch_index for held in every if held.batch_index is not None],
        first.prompt,
        first.seed,
    )


def _decision(origin: Origin, every: Sequence[HeldImage], group: int, groups: int) -> GateDecision:
    first, count = every[0], len(every)
    student = replace(origin.of_size(*first.image.shape[:2]), seed=first.seed, **_taken(every))
    scores = QualityScores.by(
        origin.judge,
        [held.score for held in every],
        prompts=tuple(held.prompt for held in every),
        group=group,
        groups=groups,
        rows=Rows(tuple(held.row for held in every), first.batch),
        digests=tuple(held.digest for held in every),
        features=_joined([held.features for held in every]),
        feature_names=origin.feature_names,
        relative=origin.relative,
    )
    risks = tuple(held.risk for held in every if held.risk is not None)
    rejected = tuple(range(count))
    return GateDecision(scores, first.threshold, rejected, origin.table, origin.k, student, risks=risks)


def _taken(every: Sequence[HeldImage]) -> dict[str, Any]:
    """What is known of each image of the student's batch: of those that are not here, nothing."""
    size = every[0].batch
    spent, drawn = [NOTHING] * size, [1] * size
    for held in every:
        spent[held.row], drawn[held.row] = held.spent or Spent(0, math.nan), held.drawn
    known = all(held.spent for held in every)
    return {"spent": tuple(spent) if known else (), "candidates": tuple(drawn) if max(drawn) > 1 else ()}


def _array(tensor: torch.Tensor) -> numpy.ndarray:
    return tensor.detach().float().cpu().contiguous().numpy()


def _joined(arrays: Sequence[numpy.ndarray | None]) -> numpy.ndarray | None:
    known = [array for array in arrays if array is not None]
    return numpy.stack(known) if known else None


def _stacked(arrays: Sequence[numpy.ndarray | None]) -> torch.Tensor | None:
    joined = _joined(arrays)
    return None if joined is None else torch.from_numpy(joined)
