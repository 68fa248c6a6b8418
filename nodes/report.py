"""Show and record what a run did: a contact sheet, and one JSON entry per image."""

import json
from collections.abc import Sequence
from typing import Any

import numpy
import torch
from comfy_api.latest import io

from ..adaptive_diffusion.gate.decision import GateDecision, QualityScores
from ..adaptive_diffusion.gate.verdicts import Verdicts
from ..adaptive_diffusion.report import REJECTED, SheetRow, contact_sheet, record
from ..host.node import AdaptiveNode, DecisionLink, ScoresLink
from ..host.thumbnails import thumbnails


class Report(AdaptiveNode):
    TITLE = "Adaptive Report"
    LISTS = ("images", "decision", "final_images", "final_scores")

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveReport",
            description="A contact sheet of every image with score and verdict, and the same as JSON.",
            search_aliases=["contact sheet", "log", "record"],
            has_intermediate_output=True,
            inputs=[
                io.Image.Input("images", tooltip="The student's images."),
                DecisionLink.Input("decision", tooltip="From Threshold Gate."),
                io.Image.Input("final_images", optional=True, tooltip="From Adaptive Merge."),
                ScoresLink.Input(
                    "final_scores",
                    optional=True,
                    lazy=True,
                    tooltip="Scores of the improved images, from a Quality Score that has the decision linked.",
                ),
                io.Int.Input(
                    "teacher_steps",
                    default=0,
                    min=0,
                    max=10000,
                    optional=True,
                    tooltip="The teacher's steps, to tell what each image cost. 0 if you do not want to know.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="contact sheet", tooltip="One page, a card for each image."),
                io.String.Output(display_name="record", tooltip="JSON, one entry per image in batch order."),
            ],
        )

    @classmethod
    def check_lazy_status(cls, decision, final_scores=(True,), **_):
        wanted = any(judged.any_rejected for judged in decision) and final_scores[0] is None
        return ["final_scores"] if wanted else []

    @classmethod
    def run(cls, images, decision, final_images=None, final_scores=(None,), teacher_steps=0):
        verdicts = Verdicts(tuple(decision)).fitted([len(batch) for batch in images])
        students = verdicts.per_batch(images, "images")
        finals = verdicts.per_batch(final_images, "final_images") if final_images else students
        scores = verdicts.per_rejecting(final_scores, "final_scores")
        groups = list(zip(verdicts, students, finals, scores, strict=True))
        entries, rows = _describe(groups, teacher_steps or None)
        sheet = contact_sheet(rows, _footer(entries))
        pixels = torch.from_numpy(numpy.array(sheet)).float().div(255)[None]
        shown = {"adaptive_report": entries, **_thumbnails(rows)}
        return io.NodeOutput(pixels, json.dumps(entries, indent=1), ui=shown)


def _thumbnails(rows: Sequence[SheetRow]) -> dict[str, list[str | None]]:
    finals = thumbnails(torch.from_numpy(row.final) for row in rows)
    students = thumbnails(torch.from_numpy(row.student) if row.rejected else None for row in rows)
    return {"adaptive_thumbnails": finals, "adaptive_before": students}


def _describe(groups: Sequence[tuple], teacher_steps: int | None) -> tuple[list[dict[str, Any]], list[SheetRow]]:
    entries: list[dict[str, Any]] = []
    rows: list[SheetRow] = []
    for decision, students, finals, scores in groups:
        if len(students) != len(decision) or len(finals) != len(decision):
            raise ValueError(
                f"{len(students)} images and {len(finals)} final_images came for {len(decision)} scores; "
                "link the images that were scored and the merged ones"
            )
        final_scores = _final_scores(decision, students, finals, scores)
        part = record(decision, final_scores=final_scores, teacher_steps=teacher_steps, first=len(entries))
        entries += part
        rows += [_row(*item) for item in zip(part, students, finals, strict=True)]
    return entries, rows


def _final_scores(decision: GateDecision, students, finals, scores: QualityScores | None) -> list[float]:
    """One for each rejected image: the student's own where a merge that keeps the better one kept it."""
    if scores is None:
        return []
    kept = [finals[p].shape == students[p].shape and torch.equal(finals[p], students[p]) for p in decision.rejected]
    own = [decision.scores.values[p] for p in decision.rejected]
    return [mine if same else better for same, mine, better in zip(kept, own, scores.values, strict=True)]


def _row(entry: dict[str, Any], student: torch.Tensor, final: torch.Tensor) -> SheetRow:
    rejected = entry["verdict"] == REJECTED
    pictures = (student.float().cpu().numpy(), final.float().cpu().numpy())
    return SheetRow(entry["prompt"], pictures[0], entry["score"], rejected, pictures[1], entry["final_score"])


def _footer(entries: Sequence[dict[str, Any]]) -> str:
    improved = sum(entry["verdict"] == REJECTED for entry in entries)
    text = f"{len(entries)} images, {improved} improved by the teacher ({improved / len(entries):.0%})."
    steps = [entry["steps"] for entry in entries]
    return text if None in steps else f"{text} {sum(steps) / len(steps):.1f} steps per image on average."
