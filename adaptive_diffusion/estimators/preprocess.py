"""Images as an estimator wants them, with the pixels that Pillow and torchvision would give it."""

from collections.abc import Sequence

import torch
from torch.nn.functional import interpolate

from ..images import opaque

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def preprocess(images: torch.Tensor, size: int, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """Images (B, H, W, 3 or 4), floats 0..1, to normalised pixels (B, 3, size, size).

    The shorter side is resized to `size` (bicubic), then the centre is cut out, as in ImageReward
    (arXiv 2304.05977, torchvision's Resize and CenterCrop on 8-bit images).
    """
    pixels = centre_crop(resize(channels_first(images), size), size)
    return (pixels - pixels.new_tensor(mean).view(3, 1, 1)) / pixels.new_tensor(std).view(3, 1, 1)


def channels_first(images: torch.Tensor) -> torch.Tensor:
    """Images (B, H, W, 3 or 4), floats 0..1, as (B, 3, H, W) in steps of 1/255."""
    return eight_bit(opaque(images.float()).movedim(-1, 1))


def eight_bit(pixels: torch.Tensor) -> torch.Tensor:
    """Clamp to 0..1 and round to steps of 1/255."""
    return pixels.clamp(0, 1).mul(255).round().div(255)


def resize(pixels: torch.Tensor, size: int) -> torch.Tensor:
    """Shorter side of (B, 3, H, W) to `size`, antialiased bicubic: columns first, then rows, 8 bits after each pass."""
    height, width = pixels.shape[-2:]
    shorter = min(height, width)
    new_height, new_width = size * height // shorter, size * width // shorter
    for target in ((height, new_width), (new_height, new_width)):
        if pixels.shape[-2:] != target:
            pixels = eight_bit(interpolate(pixels, target, mode="bicubic", antialias=True))
    return pixels


def centre_crop(pixels: torch.Tensor, size: int) -> torch.Tensor:
    """The middle (B, 3, size, size); odd margins split as torchvision's CenterCrop does."""
    top, left = (round((side - size) / 2) for side in pixels.shape[-2:])
    return pixels[..., top : top + size, left : left + size]
