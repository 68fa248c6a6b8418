"""What the teacher made in the places of the rejected images, where it is an image at all."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from PIL import Image

from ..gate.decision import GateDecision
from ..images import replaces
from ..quoting import quoted
from .drawing import Drawn

TEACHER = "teacher"


def check_student(drawn: Drawn, prompts: Sequence[str]) -> None:
    """ValueError that names the prompt of the first image which is not finite; nothing can be made of it."""
    for prompt, finite in zip(prompts, drawn.finite, strict=True):
        if not finite:
            raise ValueError(
                f"the student's image of {quoted(prompt)} holds NaN or infinite values; often half precision "
                "overflows: try another dtype, guidance or scheduler"
            )


def put_back(
    decision: GateDecision, before: torch.Tensor, improved: Drawn, steps: int
) -> tuple[torch.Tensor, GateDecision]:
    """All images (B, H, W, 3) in order with those that were improved, and the decision with those that were taken.

    before: the student's. improved: what the teacher made of the rejected ones; it is brought to their size. What is
    no image leaves the student's in its place. What each took is written to its bill. steps: those asked for.
    """
    pixels, made = channels_last(improved.pixels), []
    for place, (image, spent) in enumerate(zip(decision.rejected, improved.spent(steps), strict=True)):
        if improved.finite[place] and replaces(pixels[place], before[image]):
            made.append(place)
        decision.bills[image][TEACHER] = replace(spent, failed=place not in made)
    taken = tuple(decision.rejected[place] for place in made)
    resized = channels_last(_resized(improved.pixels[made], *before.shape[1:3]))
    return replace(decision, rejected=taken).scatter(before, resized), replace(decision, taken=taken)


def to_pil(picture: torch.Tensor) -> Image.Image:
    """An image (H, W, 3) in 8 bits."""
    return Image.fromarray((picture * 255).round().byte().numpy())


def channels_last(pixels: torch.Tensor) -> torch.Tensor:
    """Images (B, C, H, W) as (B, H, W, C)."""
    return pixels.movedim(1, -1).contiguous()


def _resized(pixels: torch.Tensor, height: int, width: int) -> torch.Tensor:
    if pixels.shape[2:] == (height, width) or not len(pixels):
        return pixels
    return torch.nn.functional.interpolate(pixels, (height, width), mode="bicubic", antialias=True).clamp(0, 1)
