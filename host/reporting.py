"""What Adaptive Report tells of a run: an entry and a card of its sheet for each image."""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any

import torch

from ..adaptive_diffusion.gate.decision import GateDecision, QualityScores
from ..adaptive_diffusion.gate.outcome import FAILED
from ..adaptive_diffusion.report import record
from ..adaptive_diffusion.sheet import SheetRow, sheet_row

Entries = list[dict[str, Any]]
MOST_SHOWN = 216
"""The images of four pages of a sheet. All pages are one batch, in which an image more takes 0.8 MB."""

COSTS = {"steps": "steps", "evaluations": "model evaluations"}


def describe(
    decisions: Sequence[GateDecision],
    images: Sequence[torch.Tensor],
    finals: Sequence[torch.Tensor],
    scores: Sequence[QualityScores | None],
    teacher_steps: int,
    nodes: Collection[str] | None,
) -> tuple[Entries, list[SheetRow]]:
    """The record, and the rows of the sheet for the first MOST_SHOWN, in the order of the images, however batched.

    An entry also tells whether a person `corrected` the gate's verdict.

    images, finals: the student's, and what came out. scores: of all rejected images, or of all images; one None where
    nothing is linked. nodes: the teachers and merges that count. ValueError where counts do not match.
    """
    total = sum(map(len, decisions))
    pictures = [[image for batch in batches for image in batch] for batches in (images, finals)]
    if {total} != set(map(len, pictures)):
        raise ValueError(
            f"{len(pictures[0])} images and {len(pictures[1])} final_images came for {total} scores; "
            "link the images that were scored and the merged ones"
        )
    entries: Entries = []
    for decision, values in zip(decisions, _scores(decisions, scores), strict=True):
        told = record(decision, (), values, teacher_steps or None, len(entries), nodes)
        entries += [{**entry, "corrected": i in decision.corrected} for i, entry in enumerate(told)]
    return entries, [_row(*each) for each in islice(zip(entries, *pictures, strict=True), MOST_SHOWN)]


def footer(entries: Entries) -> str:
    """What all images together came to."""
    improved = sum(entry["taken"] is not False for entry in entries)
    text = f"{len(entries)} images, {improved} improved by the teacher ({improved / len(entries):.0%})."
    if failed := sum(entry["verdict"] == FAILED for entry in entries):
        text += f" {FAILED.capitalize()}: {failed}."
    costs = [(told, [entry[name] for entry in entries]) for name, told in COSTS.items()]
    means = [f"{sum(values) / len(values):.1f} {told}" for told, values in costs if None not in values]
    told = [text, f"{' and '.join(means)} per image on average." if means else "", left_out(entries)]
    return " ".join(filter(None, told))


def left_out(entries: Entries) -> str:
    """Which images the sheet shows, where these are not all."""
    if len(entries) <= MOST_SHOWN:
        return ""
    return f"The sheet shows the first {MOST_SHOWN} of {len(entries)} images; the record has all."


def _scores(decisions: Sequence[GateDecision], scores: Sequence[QualityScores | None]) -> Iterator[tuple[float, ...]]:
    """The scores that belong to each decision: of its rejected images, or of all."""
    values = [value for group in scores if group for value in group.values]
    rejected, total = sum(len(decision.rejected) for decision in decisions), sum(map(len, decisions))
    if len(values) not in (0, rejected, total):
        raise ValueError(
            f"{len(values)} final_scores came for {rejected} rejected images of {total}; "
            "link those of exactly the rejected images, or of all"
        )
    remaining = iter(values)
    for decision in decisions:
        count = len(decision.rejected) if len(values) == rejected else len(decision)
        yield tuple(next(remaining) for _ in range(count)) if values else ()


def _row(entry: dict[str, Any], student: torch.Tensor, final: torch.Tensor) -> SheetRow:
    pictures = (student.float().cpu().numpy(), final.float().cpu().numpy())
    return sheet_row(entry, *pictures)
