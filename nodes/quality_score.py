"""Score every image against its prompt."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from comfy_api.latest import io

from ..adaptive_diffusion.estimators import Estimator
from ..adaptive_diffusion.gate.decision import GateDecision, QualityScores
from ..adaptive_diffusion.gate.digest import image_digests
from ..adaptive_diffusion.gate.rows import Rows
from ..adaptive_diffusion.gate.verdicts import Verdicts
from ..host.estimator import HostedEstimator
from ..host.node import AdaptiveNode, DecisionLink, EstimatorLink, ScoresLink
from ..host.shown import show_text
from ..host.thumbnails import thumbnails

SHOWN = 16


class QualityScore(AdaptiveNode):
    TITLE = "Quality Score"
    LISTS = ("images", "prompt", "decision")

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveQualityScore",
            description="Scores each image for its prompt: one number per image, higher is better.",
            search_aliases=["image reward", "score", "rank"],
            has_intermediate_output=True,
            hidden=[io.Hidden.unique_id],
            inputs=[
                EstimatorLink.Input("estimator", tooltip="From Load Estimator."),
                io.Image.Input("images", tooltip="Decoded with the student's VAE."),
                io.String.Input(
                    "prompt",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="What the images were drawn from: one text for all, one per batch, or one per image.",
                ),
                DecisionLink.Input(
                    "decision",
                    optional=True,
                    advanced=True,
                    tooltip="Link a gate's decision to score the teacher's images: each is scored with its own prompt.",
                ),
            ],
            outputs=[
                ScoresLink.Output(display_name="scores", is_output_list=True, tooltip="For Threshold Gate."),
                io.Float.Output(
                    display_name="values", is_output_list=True, tooltip="The same scores as plain numbers."
                ),
            ],
        )

    @classmethod
    def run(cls, estimator, images, prompt=("",), decision=None):
        batches = _first_look(images, prompt) if decision is None else _second_look(images, prompt, decision)
        scores = [_score(estimator, batch) for batch in batches]
        values = [value for group in scores for value in group.values]
        judge = estimator.estimator
        cut = truncated(judge, [text for batch in batches for text in batch.prompts])
        show_text(cls.hidden, "\n".join([_listed(judge.name, values), *cut]))
        shown = {
            "estimator": judge.name,
            "dtype": judge.dtype,
            "scores": [list(group.values) for group in scores],
            "truncated": cut,
        }
        small = thumbnails(image for batch in batches for image in batch.images)
        return io.NodeOutput(scores, values, ui={"adaptive_scores": [shown], "adaptive_thumbnails": small})


class Pictures(NamedTuple):
    """Images (B, H, W, 3) to score, the prompt of each, and where they came from (fields of QualityScores)."""

    images: torch.Tensor
    prompts: tuple[str, ...]
    group: int
    groups: int
    rows: Rows


def _score(judge: HostedEstimator, pictures: Pictures) -> QualityScores:
    images, *origin = pictures
    values = judge.score(images, pictures.prompts)
    digests = image_digests(images, pictures.prompts)
    return QualityScores(tuple(values), judge.estimator.name, judge.estimator.dtype, *origin, digests=digests)


def truncated(estimator: Estimator, prompts: Sequence[str]) -> list[str]:
    """A sentence for every different prompt of which the estimator reads only the beginning."""
    if not estimator.uses_prompt:
        return []
    counted = {text: estimator.count_tokens(text) for text in prompts}
    return [
        f"{estimator.name} reads the first {estimator.max_tokens} of {count} tokens of '{text[:40].strip()}...'"
        for text, count in counted.items()
        if count > estimator.max_tokens
    ]


def _listed(name: str, values: Sequence[float]) -> str:
    more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
    return f"{name}: {', '.join(f'{value:.2f}' for value in values[:SHOWN])}{more}"


def _first_look(images: Sequence[torch.Tensor], prompts: Sequence[str]) -> list[Pictures]:
    spread = spread_prompts(prompts, [len(batch) for batch in images])
    pairs = zip(images, spread, strict=True)
    return [
        Pictures(batch, texts, group, len(images), Rows.whole(len(batch))) for group, (batch, texts) in enumerate(pairs)
    ]


def _second_look(
    images: Sequence[torch.Tensor], prompts: Sequence[str], decisions: Sequence[GateDecision]
) -> list[Pictures]:
    verdicts = Verdicts(tuple(decisions))
    pairs = zip(verdicts, verdicts.per_batch(images, "images"), strict=True)
    return [_rejected(decision, batch, prompts) for decision, batch in pairs if decision.any_rejected]


def _rejected(decision: GateDecision, images: torch.Tensor, prompts: Sequence[str]) -> Pictures:
    if len(images) == len(decision):
        images = decision.take(images)
    if len(images) != len(decision.rejected):
        raise ValueError(f"{len(images)} images came for {len(decision.rejected)} rejected; link the teacher's images")
    seen = decision.scores.pick(decision.rejected)
    texts = seen.prompts if all(seen.prompts) else spread_prompts(prompts, [len(images)])[0]
    return Pictures(images, texts, seen.group, seen.groups, seen.rows)


def spread_prompts(prompts: Sequence[str], sizes: Sequence[int]) -> list[tuple[str, ...]]:
    """The prompt of every image of batches of `sizes`, from one prompt, one per batch or one per image."""
    if len(prompts) == 1:
        return [tuple(prompts) * size for size in sizes]
    if len(prompts) == len(sizes):
        return [(text,) * size for text, size in zip(prompts, sizes, strict=True)]
    if len(prompts) == sum(sizes):
        remaining = iter(prompts)
        return [tuple(next(remaining) for _ in range(size)) for size in sizes]
    raise ValueError(
        f"{len(prompts)} prompts do not fit {len(sizes)} batches of {sum(sizes)} images; "
        "give one, one for each batch or one for each image"
    )
