"""What t2v_metrics is asked of a tiny Qwen3-VL, the same on every machine; its answers lie in vqa.json."""

import json
from pathlib import Path
from typing import Any

import numpy
import torch

from .bits import random_bytes, uniform

GOLDENS = Path(__file__).with_name("vqa.json")
SIZES = {"square": (256, 256), "wide": (288, 512), "tall": (1024, 320), "resized": (333, 500)}
PROMPTS = (
    "a cat",
    "a red circle left of a blue square on sand",
    'a sign that says "OPEN", with a {heart} and 3 arrows: left & right',
    "\u732b\u3068\u5e3d\u5b50, \u00e9clair \U0001f431",
    " ".join(["a red circle left of a blue square on sand and"] * 30),
)


def numbers(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The random numbers of a weight, for `tiny_vlm.tiny_model`."""
    return torch.from_numpy(uniform(f"vqa {name}", shape))


def picture(name: str) -> numpy.ndarray:
    """An image (height, width, 3), uint8, of soft patches with noise on them."""
    height, width = SIZES[name]
    coarse = random_bytes(f"vqa coarse {name}", (-(-height // 64), -(-width // 64), 3))
    patches = coarse.repeat(64, 0).repeat(64, 1)[:height, :width]
    return (patches // 2 + random_bytes(f"vqa fine {name}", (height, width, 3)) // 8).astype(numpy.uint8)


def goldens() -> dict[str, Any]:
    return json.loads(GOLDENS.read_text())
