"""What a run of the pipeline made; of one prompt it is also the image itself."""

from dataclasses import dataclass, fields
from typing import Any

import torch
from PIL import Image

from ..gate.decision import GateDecision
from ..gate.promise import Promise
from ..images import to_pil


@dataclass(frozen=True)
class AdaptiveResult:
    """What a run made, in the prompts' order.

    pixels, student_pixels: (B, H, W, 3) float32 in 0..1, on the CPU; equal bit for bit where the student was accepted,
    and where the teacher failed: its image came out black or not finite, as decision.failed tells of each.
    seeds, steps, seconds, evaluations: one per image. steps count the student's and the teacher's as they ran; seconds
    are its share of the time that they and the estimator took; evaluations are those of the two networks, guidance's
    among them, counted where they are called (NaN where a pipeline has no network that is known).
    promise: what can be said of the images that were kept, where that was asked for.
    """

    pixels: torch.Tensor
    student_pixels: torch.Tensor
    decision: GateDecision
    seeds: tuple[int, ...]
    steps: tuple[int, ...]
    seconds: tuple[float, ...]
    evaluations: tuple[float, ...]
    promise: Promise | None = None

    @property
    def images(self) -> list[Image.Image]:
        return [to_pil(picture) for picture in self.pixels]

    @property
    def student_images(self) -> list[Image.Image]:
        return [to_pil(picture) for picture in self.student_pixels]

    @property
    def average_steps(self) -> float:
        return sum(self.steps) / len(self.steps)


class AdaptiveImage(AdaptiveResult, Image.Image):
    """The result of one prompt, which is its final image as well: it can be shown, saved and used as any of PIL's."""

    def __init__(self, *made: Any):
        """made: what an `AdaptiveResult` is of."""
        AdaptiveResult.__init__(self, *made)
        Image.Image.__setstate__(self, to_pil(self.pixels[0]).__getstate__())

    def __copy__(self) -> "AdaptiveImage":
        return AdaptiveImage(*_made(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return AdaptiveImage, _made(self)


def result_of(*made: Any) -> AdaptiveResult:
    """made: what an `AdaptiveResult` is of."""
    result = AdaptiveResult(*made)
    return AdaptiveImage(*made) if len(result.pixels) == 1 else result


def _made(result: AdaptiveResult) -> tuple[Any, ...]:
    return tuple(getattr(result, field.name) for field in fields(result))
