"""A batch of images or of latents, whichever it is."""

from collections.abc import Sequence
from typing import Any

import torch

from ...adaptive_diffusion.images import replaces
from .latents import check_latent, take

Batch = Any


def batch_size(batch: Batch) -> int:
    """How many images a tensor (B, H, W, C) or a LATENT holds."""
    return len(_rows(batch))


def replaces_row(improved: Batch, place: int, before: Batch, position: int) -> bool:
    """Whether what lies at `place` is an image that may take the place of the one at `position`; latents are finite."""
    if isinstance(improved, torch.Tensor):
        return replaces(improved[place], before[position])
    return bool(_rows(improved)[place].isfinite().all())


def check_finite(images: torch.Tensor, name: str) -> None:
    """ValueError where one of the images (B, H, W, C), called `name`, has values that are not finite."""
    finite = images.isfinite()
    if not finite.all():
        broken = finite.flatten(1).all(1).tolist().index(False)
        raise ValueError(f"image {broken} of {name} has pixels that are not finite; check the VAE that decoded it")


def part(batch: Batch, positions: Sequence[int]) -> Batch:
    """The images or latent rows at `positions`."""
    return batch[list(positions)] if isinstance(batch, torch.Tensor) else take(batch, positions)


def _rows(batch: Batch) -> torch.Tensor:
    if isinstance(batch, torch.Tensor):
        return batch
    return check_latent(batch) if batch["samples"].is_nested else batch["samples"]
