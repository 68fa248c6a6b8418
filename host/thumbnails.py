"""Small copies of images, for the frontend to show on a node."""

from collections.abc import Iterable
from itertools import islice

import comfy.utils
import torch
from comfy_api.latest import ui

SIDE, MOST = 192, 64


def thumbnails(images: Iterable[torch.Tensor | None]) -> list[str | None]:
    """The names of temporary files with the first MOST images (H, W, C) in small; None where there is no image."""
    return [None if image is None else _saved(_small(image)) for image in islice(images, MOST)]


def _small(image: torch.Tensor) -> torch.Tensor:
    """(1, h, w, 3), no side longer than SIDE."""
    colour = image[None, ..., :3].float().expand(-1, -1, -1, 3)
    height, width = image.shape[:2]
    scale = min(1, SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return comfy.utils.common_upscale(colour.movedim(-1, 1), *size, "area", "disabled").movedim(1, -1)


def _saved(image: torch.Tensor) -> str:
    return ui.PreviewImage(image).values[0].filename
