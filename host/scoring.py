"""What Quality Score looks at: every image with its own prompt, at first or behind a gate."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from ..adaptive_diffusion.digest import image_digests
from ..adaptive_diffusion.gate.decision import GateDecision, QualityScores
from ..adaptive_diffusion.gate.verdicts import Verdicts
from .combined import CombinedEstimator
from .hosted import Hosted


class Pictures(NamedTuple):
    """Images (B, H, W, 3) to score, the prompt of each, and where they came from: fields of QualityScores.

    broken: how many of them a teacher made nothing of; they are seen black.
    """

    images: torch.Tensor
    prompts: tuple[str, ...]
    origin: dict[str, Any]
    broken: int = 0

    def scored(self, judge: Hosted) -> QualityScores:
        reading = judge.read(self.images, self.prompts)
        digests = image_digests(self.images, self.prompts)
        return QualityScores.read_by(judge.estimator, reading, prompts=self.prompts, digests=digests, **self.origin)


def scored(judge: Hosted, batches: Sequence[Pictures]) -> tuple[list[QualityScores], list[str]]:
    """The scores of all batches, and sentences on how they came about."""
    if not isinstance(judge, CombinedEstimator):
        return [batch.scored(judge) for batch in batches], []
    before = judge.asked.copy()
    return [batch.scored(judge) for batch in batches], judge.told(before)


def first_look(images: Sequence[torch.Tensor], prompts: Sequence[str]) -> list[Pictures]:
    """All images of every batch."""
    pairs = zip(images, spread_prompts(prompts, [len(batch) for batch in images]), strict=True)
    return [
        Pictures(batch, texts, {"group": group, "groups": len(images)}) for group, (batch, texts) in enumerate(pairs)
    ]


def second_look(
    images: Sequence[torch.Tensor], prompts: Sequence[str], decisions: Sequence[GateDecision]
) -> list[Pictures]:
    """The rejected images of every batch that has any, from these alone or from whole batches.

    One that is not finite is black, as it would be shown: Merge takes neither, and the others are scored.
    """
    verdicts = Verdicts(tuple(decisions)).fitted([len(batch) for batch in images])
    pairs = zip(verdicts, verdicts.per_batch(images, "images"), strict=True)
    return [_rejected(decision, batch, prompts) for decision, batch in pairs if decision.any_rejected]


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


def _rejected(decision: GateDecision, images: torch.Tensor, prompts: Sequence[str]) -> Pictures:
    images = images[list(decision.places(len(images), "images"))]
    seen = decision.seen_again
    texts = seen.prompts if all(seen.prompts) else spread_prompts(prompts, [len(images)])[0]
    origin = {"group": seen.group, "groups": seen.groups, "rows": seen.rows, "outcomes": seen.outcomes}
    finite = images.isfinite().flatten(1).all(1)
    seen_black = images if finite.all() else images.where(finite[:, None, None, None], 0)
    return Pictures(seen_black, texts, origin, broken=int((~finite).sum()))
