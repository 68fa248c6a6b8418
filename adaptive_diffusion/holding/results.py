"""What became of a held image, as a file: a PNG with its record, or a latent as ComfyUI saves one."""

import io
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..report import PNG_RECORD
from ..tensors import content

PNG, LATENT = ".png", ".latent"


class Result(NamedTuple):
    """A file's bytes, its suffix, and the image's record, as of `report.record`. word: what the image became."""

    suffix: str
    data: bytes
    record: Mapping[str, Any]
    word: str


def picture(image: Image.Image, record: Mapping[str, Any], word: str) -> Result:
    """The PNG of an image with its record among its texts."""
    texts, data = PngInfo(), io.BytesIO()
    texts.add_text(PNG_RECORD, json.dumps(record))
    image.save(data, "PNG", pnginfo=texts)
    return Result(PNG, data.getvalue(), record, word)


def latent(samples: numpy.ndarray, record: Mapping[str, Any], word: str) -> Result:
    """A latent (C, h, w) or (C, 1, h, w) in a file that ComfyUI's Load Latent reads."""
    arrays = {"latent_tensor": samples[None], "latent_format_version_0": numpy.zeros(0, numpy.float32)}
    return Result(LATENT, content(arrays, record), record, word)
