"""Search before the teacher: draw images that fail the gate again, a few times at most."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from comfy_api.latest import io

from ..adaptive_diffusion.gate.best_of_n import best_of, expected_candidates
from ..adaptive_diffusion.gate.percentiles import PercentileTable
from ..adaptive_diffusion.gate.relative import across_prompts
from ..adaptive_diffusion.gate.student import Student
from ..host.files.tables import THIS_RUN, table_choices, table_path, table_states
from ..host.gate import warnings_of
from ..host.node import AdaptiveNode, EstimatorLink, ScoresLink, StudentInfoLink, TableLink
from ..host.rows.lists import per_batch
from ..host.sampling.search import Kept, Searcher
from ..host.sampling.student import other_steps, plan_student
from ..host.scoring import spread_prompts
from ..host.shown import advice, show_text
from .sampling_inputs import student_inputs

DEFAULT_K, DEFAULT_CANDIDATES = 20.0, 3


class BestOfN(AdaptiveNode):
    TITLE = "Best of N"
    LISTS = ("prompt", *(each.id for each in student_inputs()))

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveBestOfN",
            description="Draws with the fast model, and draws an image again while its score lies under the threshold, "
            "up to N times. The best is kept.",
            search_aliases=["best of n", "search", "rejection sampling", "retry"],
            has_intermediate_output=True,
            hidden=[io.Hidden.unique_id],
            inputs=[*student_inputs(), *_judging_inputs()],
            outputs=[
                io.Latent.Output(display_name="LATENT", is_output_list=True, tooltip="For the teacher's node."),
                io.Image.Output(display_name="IMAGE", is_output_list=True, tooltip="The same, decoded."),
                ScoresLink.Output(display_name="scores", is_output_list=True, tooltip="For Threshold Gate."),
                StudentInfoLink.Output(
                    display_name="student", is_output_list=True, tooltip="The settings, and how often each was drawn."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, table=()):
        return cls.answer(_calibrated, table)

    @classmethod
    def fingerprint_inputs(cls, table, **_linked):
        return table_states(table)

    @classmethod
    def run(cls, vae, estimator, prompt, table, k, candidates, percentile_table=None, max_batch=16, **drawing):
        chosen = percentile_table or PercentileTable.load(_calibrated(table))
        chosen.check_estimator(estimator.described)
        threshold = chosen.threshold(k)
        planned = [plan_student(**inputs) for inputs in per_batch(drawing)]
        drawings, students = [drawing for drawing, _ in planned], [student for _, student in planned]
        prompts = spread_prompts(prompt, [len(drawing.rows) for drawing in drawings])
        searcher = Searcher(drawings, prompts, vae, estimator, max_batch)
        kept = searcher.kept(best_of(candidates, len(searcher.images), threshold, searcher))
        pairs = zip(students, kept, strict=True)
        told = [replace(student, candidates=each.candidates, spent=each.spent) for student, each in pairs]
        shown = _payload(kept, threshold, expected_candidates(candidates, k))
        advised = advice(across_prompts([each.scores for each in kept], False))
        notes = [*warnings_of(chosen, told), *dict.fromkeys(text for pair in planned for text in other_steps(*pair))]
        cut = estimator.estimator.cut([text for texts in prompts for text in texts])
        show_text(cls.hidden, "\n".join([_summary(shown, told), *notes, *advised, *cut]))
        latents, images, scores, *_ = map(list, zip(*kept, strict=True))
        return io.NodeOutput(latents, images, scores, told, ui={"adaptive_search": [shown]})


def _calibrated(table: str) -> Path:
    if table == THIS_RUN:
        raise ValueError(f"'{THIS_RUN}' has no scores before anything is drawn; choose a calibrated table")
    return table_path(table)


def _payload(kept: Sequence[Kept], threshold: float, expected: float) -> dict[str, Any]:
    """What a client reads: for every batch, how often each image was drawn, and the score kept."""
    values = [list(each.scores.values) for each in kept]
    return {
        "expected": expected,
        "threshold": threshold if math.isfinite(threshold) else None,
        "candidates": [list(each.candidates) for each in kept],
        "scores": values,
        "failing": sum(value < threshold for batch in values for value in batch),
    }


def _summary(shown: dict[str, Any], students: Sequence[Student]) -> str:
    """How many candidates it took, how many were to be expected, and what they cost."""
    drawn = [number for batch in shown["candidates"] for number in batch]
    cost = sum(spent.evaluations for student in students for spent in student.spent)
    return (
        f"{sum(drawn)} candidates for {len(drawn)} images: {sum(drawn) / len(drawn):.2f} an image, "
        f"{shown['expected']:.2f} expected; {cost / len(drawn):.1f} model evaluations an image; "
        f"{shown['failing']} still under the threshold"
    )


def _judging_inputs() -> list[io.Input]:
    tables = table_choices()[1:]
    return [
        io.Vae.Input("vae", tooltip="The student's: candidates are decoded to be scored."),
        EstimatorLink.Input("estimator", tooltip="From Load Estimator."),
        io.String.Input(
            "prompt",
            multiline=True,
            tooltip="What the images are to show: one for all, one per batch, or one per image.",
        ),
        io.Combo.Input("table", options=tables, tooltip="A calibrated table of this student, drawn once an image."),
        io.Float.Input(
            "k",
            display_name="Draw worst % again (k)",
            default=DEFAULT_K,
            min=0.0,
            max=100.0,
            step=1.0,
            tooltip="The share of drawings that fail, as at the gate. Higher draws more often; 100 always draws N.",
        ),
        io.Int.Input(
            "candidates",
            display_name="Candidates at most (N)",
            default=DEFAULT_CANDIDATES,
            min=1,
            max=64,
            tooltip="How often an image is drawn at most. More find better ones, and cost more where none passes.",
        ),
        TableLink.Input("percentile_table", optional=True, tooltip="Used instead of the table chosen above."),
        io.Int.Input(
            "max_batch",
            default=16,
            min=1,
            max=4096,
            optional=True,
            advanced=True,
            tooltip="Images drawn again are drawn together; fewer at a time need less memory.",
        ),
    ]
