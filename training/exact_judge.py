"""The exact grader as a judge of images and captions, as estimators are."""

import re
from collections.abc import Sequence

import torch

from .oracle import grade
from .scenes import BACKGROUNDS, COLOURS, HORIZONTAL, SHAPES, SIZE, SIZES, VERTICAL, Scene


class ExactJudge:
    """1.0 for an image that shows exactly its caption, else 0.0; for the demo scenes alone."""

    name, uses_prompt = "oracle", True

    def score(self, images: torch.Tensor, prompts: Sequence[str]) -> torch.Tensor:
        """(B,) for images (B, 64, 64, 3), floats 0..1, and B captions; ValueError for other sizes and captions."""
        if images.shape[1:] != (SIZE, SIZE, 3):
            raise ValueError(f"the oracle grades images of {SIZE} px, not {images.shape[2]}x{images.shape[1]}")
        pixels = (images * 255).round().byte().numpy()
        pairs = zip(pixels, map(read_caption, prompts), strict=True)
        return torch.tensor([float(grade(image, scene).exact) for image, scene in pairs])


def read_caption(caption: str) -> Scene:
    """The scene that a caption of the grammar describes, in any case; ValueError for any other text."""
    text, _, background = caption.lower().rpartition(" on ")
    objects = re.findall(rf"\b({'|'.join(COLOURS)}) ({'|'.join(SHAPES)})\b", text)
    relations = re.findall(rf"\b({'|'.join((*SIZES, *HORIZONTAL, *VERTICAL))})\b", text)
    if background in BACKGROUNDS and 1 <= len(objects) <= 3 and len(relations) == max(1, len(objects) - 1):
        scene = Scene(background, tuple(objects), *relations)
        if scene.caption == caption.lower():
            return scene
    raise ValueError(f"the oracle cannot read {caption!r}; give captions of the demo scenes")
