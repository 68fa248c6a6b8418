"""A batch of images or of latents, whichever it is."""

from collections.abc import Sequence
from typing import Any

import torch

from .latents import check_latent, take

Batch = Any


def batch_size(batch: Batch) -> int:
    """How many images a tensor (B, H, W, C) or a LATENT holds."""
    return len(_rows(batch))


def is_finite(batch: Batch, place: int) -> bool:
    """Whether the image at `place` is free of NaN and infinite values."""
    return bool(torch.isfinite(_rows(batch)[place]).all())


def is_blank(batch: Batch, place: int) -> bool:
    """Whether the image at `place` is nothing but black, as what a decoder makes of a broken latent; no latent is."""
    return isinstance(batch, torch.Tensor) and not batch[place, ..., :3].any()


def part(batch: Batch, positions: Sequence[int]) -> Batch:
    """The images or latent rows at `positions`."""
    return batch[list(positions)] if isinstance(batch, torch.Tensor) else take(batch, positions)


def _rows(batch: Batch) -> torch.Tensor:
    if isinstance(batch, torch.Tensor):
        return batch
    return check_latent(batch) if batch["samples"].is_nested else batch["samples"]
