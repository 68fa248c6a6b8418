"""Show and record what a run did: a contact sheet, and one JSON entry per image."""

import json
from collections.abc import Sequence

import torch
from comfy_api.latest import io

from ..adaptive_diffusion.sheet import ContactSheet, SheetRow
from ..host.graph import behind
from ..host.node import AdaptiveNode, DecisionLink, ScoresLink, unevaluated
from ..host.reporting import describe, footer, left_out
from ..host.savings import tell_savings
from ..host.shown import show_text
from ..host.thumbnails import large, thumbnails


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
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt],
            inputs=[
                io.Image.Input("images", tooltip="The student's images."),
                DecisionLink.Input(
                    "decision", tooltip="From Threshold Gate, or from Adaptive Merge, which knows what it took."
                ),
                io.Image.Input("final_images", optional=True, tooltip="From Adaptive Merge."),
                ScoresLink.Input(
                    "final_scores",
                    optional=True,
                    lazy=True,
                    tooltip="Scores of the improved images, from a Quality Score that has the decision linked; or "
                    "those of all that Adaptive Merge gives.",
                ),
                io.Int.Input(
                    "teacher_steps",
                    default=0,
                    min=0,
                    max=10000,
                    optional=True,
                    tooltip="The steps of a teacher that does not tell what it took, such as KSampler. 0 if you do not "
                    "want to know.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="contact sheet", tooltip="A card for each image; many images make a batch of pages."
                ),
                io.String.Output(display_name="record", tooltip="JSON, one entry per image in batch order."),
            ],
        )

    @classmethod
    def check_lazy_status(cls, decision, final_scores=(True,), **_):
        return ["final_scores"] if unevaluated(final_scores) and cls.any_rejected(decision) else []

    @classmethod
    def run(cls, images, decision, final_images=None, final_scores=(None,), teacher_steps=0):
        nodes = behind(cls.hidden, ("final_images", "decision"))
        entries, rows = describe(decision, images, final_images or images, final_scores, teacher_steps, nodes)
        pixels = ContactSheet(rows, footer(entries)).pixels()
        if told := left_out(entries):
            show_text(cls.hidden, told)
        savings = tell_savings(cls.hidden, decision, ["final_images", "final_scores"])
        shown = {"adaptive_report": entries, **_thumbnails(rows), "adaptive_savings": [savings] if savings else []}
        return io.NodeOutput(pixels, json.dumps(entries, indent=1), ui=shown)


def _thumbnails(rows: Sequence[SheetRow]) -> dict[str, list[str | None]]:
    """What came out, and what the student drew of the rejected ones: small, and large to look at closer."""
    finals = [torch.from_numpy(row.final) for row in rows]
    students = [torch.from_numpy(row.student) if row.rejected else None for row in rows]
    shown, before = thumbnails(finals), thumbnails(students)
    return {
        "adaptive_thumbnails": shown,
        "adaptive_before": before,
        "adaptive_large": large(finals, shown),
        "adaptive_large_before": large(students, before),
    }
