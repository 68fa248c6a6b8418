"""Copies of images for the frontend: small ones to show on a node, and large ones to look at closer."""

import uuid
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import comfy.utils
import folder_paths
import torch
from comfy_api.latest import ui
from PIL import Image

from ..adaptive_diffusion.images import opaque

SIDE, MOST = 192, 64
LARGE, QUALITY = 1536, 90


def thumbnails(images: Iterable[torch.Tensor | None]) -> list[str | None]:
    """The names of temporary files with the first MOST images (H, W, C) in small; None where there is no image."""
    small = [None if image is None else _at_most(SIDE, image) for image in islice(images, MOST)]
    shown = [image for image in small if image is not None]
    names = (saved.filename for saved in ui.PreviewImage(shown).values) if shown else iter(())
    return [None if image is None else next(names) for image in small]


def large(images: Iterable[torch.Tensor | None], small: Iterable[str | None]) -> list[str | None]:
    """The names of temporary files with the first MOST images (H, W, C) to look at; where an image is as small as its
    thumbnail, the name in `small`.
    """
    pairs = zip(islice(images, MOST), small, strict=False)
    return [name if image is None or max(image.shape[:2]) <= SIDE else _jpeg(image) for image, name in pairs]


def _jpeg(image: torch.Tensor) -> str:
    """The name of a new temporary file; PNG takes twenty times as long to write, and seven times the room."""
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    name = f"adaptive_{uuid.uuid4().hex}.jpg"
    pixels = _at_most(LARGE, image).mul(255).round().clamp(0, 255).byte().cpu().numpy()
    Image.fromarray(pixels).save(folder / name, quality=QUALITY)
    return name


def _at_most(side: int, image: torch.Tensor) -> torch.Tensor:
    """(h, w, 3), no side longer than `side`."""
    colour = opaque(image.float())
    height, width = image.shape[:2]
    if max(height, width) <= side:
        return colour
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return comfy.utils.common_upscale(colour.movedim(-1, 0)[None], *size, "area", "disabled")[0].movedim(0, -1)
