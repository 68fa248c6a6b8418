"""What Adaptive Merge puts together: every image once, the better ones in the places of the rejected."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

import comfy.utils
import torch

from ..adaptive_diffusion.gate.decision import GateDecision, QualityScores
from ..adaptive_diffusion.gate.verdicts import Verdicts
from ..adaptive_diffusion.images import with_channels
from .rows.batches import Batch, batch_size, check_finite, part, replaces_row
from .rows.latents import Latent, check_latent, with_samples

METHODS = ["lanczos", "bicubic", "bilinear", "area", "nearest-exact"]


class Size(NamedTuple):
    """Width and height that all images get, or None for the student's, and how they are brought to them."""

    target: tuple[int, int] | None
    method: str


class Merged(NamedTuple):
    """A batch with all its images, the decision with those that were taken, and which improved ones are no images."""

    batch: Batch
    decision: GateDecision
    broken: frozenset[int] = frozenset()


def merge(
    decisions: Sequence[GateDecision],
    student: Sequence[Batch],
    improved: Sequence[Batch | None],
    scores: Sequence[QualityScores | None],
    size: Size,
    node: str,
    teachers: Collection[str] | None,
) -> list[Merged]:
    """All batches merged; whether it was taken is written to every rejected image's outcome, on the account of `node`.

    student: all images of each batch. improved, scores: for each batch with rejected images those of exactly the
    rejected, or of all; one None where nothing is linked. With `scores`, an improved image is only taken where it
    scores higher than the student's; one that is not finite, or black all over, never is, nor one of which the
    `teachers`, that came before, made nothing.
    ValueError where counts, kinds or estimators do not belong together.
    """
    verdicts = Verdicts(tuple(decisions)).of_whole_batches(list(map(batch_size, student)), "student")
    groups = zip(
        verdicts,
        verdicts.per_batch(student, "student"),
        verdicts.per_rejecting(improved, "improved"),
        verdicts.per_rejecting(scores, "improved_scores"),
        strict=True,
    )
    merged = [_merged(*group, size, teachers) for group in groups]
    for _, decision, broken in merged:
        for position in decision.rejected:
            decision.outcomes[position].taken[node] = position in (decision.taken or ())
            decision.outcomes[position].broken[node] = position in broken
    return merged


def _merged(
    decision: GateDecision,
    student: Batch,
    improved: Batch | None,
    scores: QualityScores | None,
    size: Size,
    teachers: Collection[str] | None,
) -> Merged:
    put_together = _images if isinstance(student, torch.Tensor) else _latents
    if improved is None:
        return Merged(put_together(decision, student, None, size), replace(decision, taken=()))
    if isinstance(student, torch.Tensor) != isinstance(improved, torch.Tensor):
        raise ValueError("student and improved are an IMAGE and a LATENT; link two of the same kind")
    places = dict(zip(decision.rejected, decision.places(batch_size(improved), "improved"), strict=True))
    broken = frozenset(i for i, place in places.items() if not replaces_row(improved, place, student, i))
    better = decision.rejected if scores is None else _better(decision, scores)
    taken = tuple(i for i in better if i not in broken and not decision.failed(i, teachers))
    kept = part(improved, [places[position] for position in taken])
    batch = put_together(replace(decision, rejected=taken), student, kept, size)
    return Merged(batch, replace(decision, taken=taken), broken)


def _better(decision: GateDecision, scores: QualityScores) -> tuple[int, ...]:
    """The rejected positions whose improved image scores higher than the student's."""
    improved, gate = scores.judge, decision.scores.judge
    if {"name", "weights"} & improved.unequal(gate).keys():
        raise ValueError(
            f"improved_scores are of {improved.label}, the gate's of {gate.label}; score both with the same estimator"
        )
    own = decision.scores.values
    pairs = zip(decision.rejected, decision.places(len(scores), "improved_scores"), strict=True)
    return tuple(position for position, place in pairs if scores.values[place] > own[position])


def _images(decision: GateDecision, student: torch.Tensor, improved: torch.Tensor | None, size: Size) -> torch.Tensor:
    width, height = size.target or (student.shape[2], student.shape[1])
    merged = _resized(student, width, height, size.method)
    if improved is not None and len(improved):
        improved = with_channels(improved, student.shape[-1])
        merged = decision.scatter(merged, _resized(improved, width, height, size.method))
    check_finite(merged, "student")
    return merged


def _resized(images: torch.Tensor, width: int, height: int, method: str) -> torch.Tensor:
    if images.shape[1:3] == (height, width):
        return images
    return comfy.utils.common_upscale(images.movedim(-1, 1), width, height, method, "disabled").movedim(1, -1)


def _latents(decision: GateDecision, student: Latent, improved: Latent | None, size: Size) -> Latent:
    if size.target:
        raise ValueError("size 'width x height' needs images, not latents; choose size 'student' or decode first")
    samples = check_latent(student)
    if improved is None:
        return student
    better = check_latent(improved)
    if better.shape[1:] != samples.shape[1:]:
        raise ValueError(
            f"the improved latent is {tuple(better.shape[1:])}, the student's {tuple(samples.shape[1:])}; "
            "decode both and merge the images"
        )
    return with_samples(student, decision.scatter(samples, better))
