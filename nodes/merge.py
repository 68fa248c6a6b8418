"""Put the improved images back in their places among the accepted ones."""

from dataclasses import replace
from typing import Any

import comfy.utils
import torch
from comfy_api.latest import io

from ..adaptive_diffusion.gate.decision import GateDecision, QualityScores
from ..adaptive_diffusion.gate.verdicts import Verdicts
from ..host.node import AdaptiveNode, DecisionLink, ScoresLink
from ..host.rows.latents import check_latent, with_samples
from .split import batch_size

METHODS = ["lanczos", "bicubic", "bilinear", "area", "nearest-exact"]
STUDENT_SIZE, EXPLICIT_SIZE = "student", "width x height"


class Merge(AdaptiveNode):
    TITLE = "Adaptive Merge"
    LISTS = ("decision", "student", "improved", "improved_scores")

    @classmethod
    def define_schema(cls):
        template = io.MatchType.Template("batch", [io.Image, io.Latent])
        return cls.schema(
            node_id="AdaptiveMerge",
            description="Puts the improved images in the rejected ones' places; accepted images stay as they are.",
            search_aliases=["combine", "join batch", "keep the better"],
            inputs=[
                DecisionLink.Input("decision", tooltip="From Threshold Gate."),
                io.MatchType.Input(
                    "student", template=template, tooltip="The student's images, or its latent: all of them."
                ),
                io.MatchType.Input(
                    "improved",
                    template=template,
                    lazy=True,
                    tooltip="The rejected images, improved. What leads here only runs when something was rejected.",
                ),
                *_size_inputs(),
                ScoresLink.Input(
                    "improved_scores",
                    optional=True,
                    lazy=True,
                    tooltip="Scores of the improved images: one is then only taken where it scores higher.",
                ),
            ],
            outputs=[
                io.MatchType.Output(
                    template=template,
                    id="merged",
                    display_name="merged",
                    is_output_list=True,
                    tooltip="Every image once, in the student's order.",
                )
            ],
        )

    @classmethod
    def check_lazy_status(cls, decision, improved, improved_scores=(True,), **_):
        if not any(judged.any_rejected for judged in decision):
            return []
        linked = {"improved": improved, "improved_scores": improved_scores}
        return [name for name, value in linked.items() if value[0] is None]

    @classmethod
    def run(cls, decision, student, improved, size, width, height, resize_method, improved_scores=(None,)):
        target = (width, height) if size == EXPLICIT_SIZE else None
        verdicts = Verdicts(tuple(decision)).fitted([batch_size(batch) for batch in student])
        groups = zip(
            verdicts,
            verdicts.per_batch(student, "student"),
            verdicts.per_rejecting(improved, "improved"),
            verdicts.per_rejecting(improved_scores, "improved_scores"),
            strict=True,
        )
        return io.NodeOutput([_merge(*group, target, resize_method) for group in groups])


def _size_inputs() -> list[io.Input]:
    return [
        io.Combo.Input(
            "size",
            options=[STUDENT_SIZE, EXPLICIT_SIZE],
            default=STUDENT_SIZE,
            tooltip="The size of every image that comes out, whichever were rejected.",
        ),
        io.Int.Input("width", default=1024, min=8, max=16384, advanced=True, tooltip="Used at size 'width x height'."),
        io.Int.Input("height", default=1024, min=8, max=16384, advanced=True, tooltip="Used at size 'width x height'."),
        io.Combo.Input(
            "resize_method",
            options=METHODS,
            default="bicubic",
            advanced=True,
            tooltip="How images of another size are brought to the common one.",
        ),
    ]


def _merge(decision: GateDecision, student, improved, scores: QualityScores | None, target, method: str):
    if improved is not None and isinstance(student, torch.Tensor) != isinstance(improved, torch.Tensor):
        raise ValueError("student and improved are an IMAGE and a LATENT; link two of the same kind")
    if improved is not None and scores is not None:
        decision, improved = keep_better(decision, improved, scores)
    if isinstance(student, torch.Tensor):
        return _merge_images(decision, student, improved, target, method)
    if target is not None:
        raise ValueError("size 'width x height' needs images, not latents; choose size 'student' or decode first")
    return _merge_latents(decision, student, improved)


def keep_better(decision: GateDecision, improved: Any, scores: QualityScores) -> tuple[GateDecision, Any]:
    """The decision and the improved rows reduced to those that score higher than the student's image."""
    if scores.estimator != decision.scores.estimator:
        raise ValueError(
            f"improved_scores are of {scores.estimator}, the gate's of {decision.scores.estimator}; "
            "score both with the same estimator"
        )
    if len(scores) != len(decision.rejected):
        raise ValueError(f"{len(scores)} improved_scores came for {len(decision.rejected)} rejected images")
    better = [i for i, p in enumerate(decision.rejected) if scores.values[i] > decision.scores.values[p]]
    kept = replace(decision, rejected=tuple(decision.rejected[i] for i in better))
    if isinstance(improved, torch.Tensor):
        return kept, improved[better]
    return kept, with_samples(improved, improved["samples"][better])


def _merge_images(decision: GateDecision, student: torch.Tensor, improved: torch.Tensor | None, target, method: str):
    width, height = target or (student.shape[2], student.shape[1])
    student = _resized(student, width, height, method)
    if improved is None:
        return student
    return decision.scatter(student, _resized(improved, width, height, method))


def _resized(images: torch.Tensor, width: int, height: int, method: str) -> torch.Tensor:
    if images.shape[1:3] == (height, width):
        return images
    return comfy.utils.common_upscale(images.movedim(-1, 1), width, height, method, "disabled").movedim(1, -1)


def _merge_latents(decision: GateDecision, student: dict, improved: dict | None) -> dict:
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
