"""Images as people have them, in the three colours that everything here reads: what is transparent shows white."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy
import torch
from PIL import Image, ImageOps

from .quoting import quoted

WHITE = 255
BITS_16 = 65535


def read_image(path: Path) -> Image.Image:
    """A file's image in 8-bit RGB: turned as its EXIF says, greys of 16 bits scaled, transparency laid on white.

    ValueError that names the file where it is no whole image.
    """
    with _opened(path) as image:
        return on_white(ImageOps.exif_transpose(image))


def check_image(path: Path) -> None:
    """ValueError as of `read_image` where a file does not even begin as an image does."""
    with _opened(path):
        pass


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as image:
            yield image
    except Exception as error:  # whatever a damaged file makes a decoder raise
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{quoted(path)} is no whole image ({reason}); write it again, or take it away") from error


def on_white(image: Image.Image) -> Image.Image:
    """Any image in 8-bit RGB: greys of 16 bits scaled, transparency laid on white."""
    if image.mode.startswith("I"):
        image = Image.fromarray((numpy.asarray(image).clip(0, BITS_16) * (255 / BITS_16)).round().astype(numpy.uint8))
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (WHITE,) * 4), image)
    return image.convert("RGB")


def to_pil(image: torch.Tensor) -> Image.Image:
    """An image (H, W, 3), floats 0..1, in 8-bit RGB."""
    return Image.fromarray((image * 255).round().byte().cpu().numpy())


def replaces(improved: torch.Tensor, before: torch.Tensor) -> bool:
    """Whether an image (H, W, C) is one that may take the place of another: finite, and not black all over.

    Black is what decoders and safety checkers make of what is none; it may replace black.
    """
    return bool(improved.isfinite().all()) and (_is_lit(improved) or not _is_lit(before))


def _is_lit(image: torch.Tensor) -> bool:
    return bool(image[..., :3].any())


def opaque(images: torch.Tensor) -> torch.Tensor:
    """Images (..., C), floats 0..1, as (..., 3): one channel is grey, a fourth transparency, which is laid on white.

    ValueError for another number of channels.
    """
    channels = images.shape[-1]
    if channels not in (1, 3, 4):
        raise ValueError(f"images of {channels} channels cannot be shown; give 1 (grey), 3 (RGB) or 4 (RGBA)")
    if channels == 4:
        colour, alpha = images.clamp(0, 1).split([3, 1], -1)
        return colour * alpha + (1 - alpha)
    return images.expand(*images.shape[:-1], 3)


def with_channels(images: torch.Tensor, channels: int) -> torch.Tensor:
    """Images (..., C), floats 0..1, as (..., channels): transparency is laid on white, or added where all is opaque.

    ValueError where either number of channels is none of `opaque`, or grey is asked of colour.
    """
    if images.shape[-1] == channels:
        return images
    if channels not in (3, 4):
        raise ValueError(f"images of {images.shape[-1]} channels cannot become ones of {channels}; give RGB or RGBA")
    colour = opaque(images)
    return colour if channels == 3 else torch.cat([colour, torch.ones_like(colour[..., :1])], -1)
