"""Images as CLIP's estimators want them; each takes them as its published code does."""

import torch
from torch.nn.functional import interpolate, pad

from .preprocess import CLIP_MEAN, CLIP_STD, centre_crop, channels_first, resize


def crop_low(images: torch.Tensor, size: int) -> torch.Tensor:
    """Images (B, H, W, 3 or 4), floats 0..1, to normalised pixels (B, 3, size, size).

    As transformers' CLIPImageProcessor on 8-bit images: the shorter side is resized to `size` (bicubic); of an odd
    margin the smaller half is cut off above and on the left.
    """
    pixels = resize(channels_first(images), size)
    top, left = ((side - size) // 2 for side in pixels.shape[-2:])
    return _normalise(pixels[..., top : top + size, left : left + size])


def crop_even(images: torch.Tensor, size: int) -> torch.Tensor:
    """As `crop_low`, but odd margins are halved as torchvision's CenterCrop does, which OpenAI's CLIP uses."""
    return _normalise(centre_crop(resize(channels_first(images), size), size))


def pad_whole(images: torch.Tensor, size: int) -> torch.Tensor:
    """As `crop_low`, but the longer side is resized to `size` and black fills the rest, as hpsv2 1.2.0 does.

    It resizes floats, so nothing is rounded or clamped after the first 8 bits; an odd margin is larger below and right.
    """
    pixels = channels_first(images)
    longer = max(pixels.shape[-2:])
    height, width = (round(side * (size / longer)) for side in pixels.shape[-2:])
    if longer != size:
        pixels = interpolate(pixels, (height, width), mode="bicubic", antialias=True)
    below, right = size - height, size - width
    return _normalise(pad(pixels, (right // 2, right - right // 2, below // 2, below - below // 2)))


def _normalise(pixels: torch.Tensor) -> torch.Tensor:
    return (pixels - pixels.new_tensor(CLIP_MEAN).view(3, 1, 1)) / pixels.new_tensor(CLIP_STD).view(3, 1, 1)
