"""Images as Qwen3-VL's own processor makes them: sides in multiples of 32, in bounded number of pixels, 8 bit.

The rule and the numbers are those of the published preprocessor_config.json and of `smart_resize` in Qwen's reference
code; the pixels are torchvision's, antialiased bicubic on 8-bit images.
"""

import math

import torch
from torch.nn.functional import interpolate

from ...images import opaque

RULE = "multiples of 32, 65536 to 16777216 pixels, bicubic with antialias, 8 bit"
CELL = 32
LEAST_PIXELS, MOST_PIXELS = 65_536, 16_777_216
LEAST_SIDE, LARGEST, LONGEST = 16, 4 * MOST_PIXELS, 200


def fitting(height: int, width: int) -> tuple[int, int]:
    """The height and width, in pixels, that an image of this height and width is brought to."""
    rows, columns = round(height / CELL), round(width / CELL)
    if rows * columns * CELL**2 > MOST_PIXELS:
        scale = math.sqrt(height * width / MOST_PIXELS) * CELL
        rows, columns = max(1, math.floor(height / scale)), max(1, math.floor(width / scale))
    elif rows * columns * CELL**2 < LEAST_PIXELS:
        scale = math.sqrt(LEAST_PIXELS / (height * width)) / CELL
        rows, columns = math.ceil(height * scale), math.ceil(width * scale)
    return rows * CELL, columns * CELL


def resized(images: torch.Tensor) -> torch.Tensor:
    """Images (B, H, W, 3 or 4), floats 0..1, as bytes (B, 3, h, w) on the CPU; transparency is laid on white.

    ValueError where they are too small, too large or too long for the model.
    """
    height, width = images.shape[1:3]
    _check_size(height, width)
    pixels = opaque(images.float()).clamp(0, 1).mul(255).round().byte().cpu().movedim(-1, 1)
    size = fitting(height, width)
    return pixels if size == (height, width) else interpolate(pixels, size, mode="bicubic", antialias=True)


def _check_size(height: int, width: int) -> None:
    size = f"images of {width}x{height} pixels"
    if min(height, width) < LEAST_SIDE:
        raise ValueError(f"{size} are too small to be judged; give images of at least {LEAST_SIDE} pixels a side")
    if height * width > LARGEST:
        raise ValueError(f"{size} are too large to be judged; scale them to {LARGEST:,} pixels")
    if max(height, width) > LONGEST * min(height, width):
        raise ValueError(f"{size} are over {LONGEST} times as long as wide; cut them first")
