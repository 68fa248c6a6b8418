"""Small copies of images, for the frontend to show on a node."""

from collections.abc import Iterable
from itertools import islice

import comfy.utils
import torch
from comfy_api.latest import ui

from ..adaptive_diffusion.images import opaque

SIDE, MOST = 192, 64


def thumbnails(images: Iterable[torch.Tensor | None]) -> list[str | None]:
    """The names of temporary files with the first MOST images (H, W, C) in small; None where there is no image."""
    small = [None if image is None else _small(image) for image in islice(images, MOST)]
    shown = [image for image in small if image is not None]
    names = (saved.filename for saved in ui.PreviewImage(shown).values) if shown else iter(())
    return [None if image is None else next(names) for image in small]


def _small(image: torch.Tensor) -> torch.Tensor:
    """(h, w, 3), no side longer than SIDE."""
    colour = opaque(image.float())
    height, width = image.shape[:2]
    if max(height, width) <= SIDE:
        return colour
    scale = SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return comfy.utils.common_upscale(colour.movedim(-1, 0)[None], *size, "area", "disabled")[0].movedim(0, -1)
