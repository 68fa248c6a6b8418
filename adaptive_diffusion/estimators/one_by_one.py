"""Estimators of another make, which are asked for one image at a time, such as that of the package image-reward."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy
import torch
from PIL import Image

from ..images import to_pil
from ..quoting import quoted
from .base import texts_of
from .blip_reward import RELATIVE


class OneImage(Protocol):
    """What scores one image of PIL's for its prompt; higher is better."""

    def score(self, prompt: str, image: Image.Image) -> Any: ...


class OneByOne:
    """A `OneImage` as an estimator of many images.

    It is called as its class is, and its weights are not known.
    """

    uses_prompt = True

    def __init__(self, judge: OneImage):
        self.judge, self.name = judge, type(judge).__name__
        self.relative = self.name in RELATIVE

    @property
    def dtype(self) -> str:
        """The type of its weights; of one without any, float32."""
        weights = self.judge.parameters() if isinstance(self.judge, torch.nn.Module) else iter(())
        return str(getattr(next(weights, None), "dtype", torch.float32)).removeprefix("torch.")

    def score(self, images: torch.Tensor, prompts: str | Sequence[str]) -> torch.Tensor:
        """(B,) float32 of images (B, H, W, 3), floats 0..1; ValueError where what it gives is not one number."""
        texts = texts_of(self, images, prompts)
        return torch.tensor([self._one(text, image) for text, image in zip(texts, images, strict=True)])

    def _one(self, prompt: str, image: torch.Tensor) -> float:
        found = self.judge.score(prompt, to_pil(image))
        numbers = torch.as_tensor(found, dtype=torch.float32).flatten().tolist() if _numeric(found) else []
        if len(numbers) != 1:
            raise ValueError(
                f"{self.name} scored an image as {quoted(found)}; its score(prompt, image) must be a number"
            )
        return numbers[0]


def as_estimator(judge: Any) -> Any:
    """What can score images for `AdaptiveDiffusionPipeline`: an estimator itself, or one of another make.

    ValueError for what has no `score`.
    """
    if not callable(getattr(judge, "score", None)):
        raise ValueError(f"a {type(judge).__name__} is no estimator; give one with score(prompt, image)")
    return judge if hasattr(judge, "name") and hasattr(judge, "dtype") else OneByOne(judge)


def _numeric(found: Any) -> bool:
    return isinstance(found, torch.Tensor) or numpy.issubdtype(numpy.asarray(found).dtype, numpy.number)
