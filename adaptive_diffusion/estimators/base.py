"""What every quality estimator can do."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from ..digest import digest, weights_digest
from ..parts import parts
from ..prompts import check_text, cut


class Reading(NamedTuple):
    """What an estimator says of B images. scores: (B,). features: (B, F), what it saw. Both float32 on the CPU."""

    scores: torch.Tensor
    features: torch.Tensor


class Estimator(ABC):
    """A network that says how good an image is for its prompt; higher is better.

    name: what percentile tables call it. uses_prompt: False where only the image counts. max_tokens: how many tokens of
    a prompt it reads, start and end included. module: the network, which a host may move between devices. weights:
    letters that differ for other weights. relative: whether it was made to compare images of one prompt, so that its
    scores of images of different prompts say little beside each other. feature_names: what the features of a reading
    are, "" where it has none.
    """

    name: str
    uses_prompt = True
    relative = False
    max_tokens = 0
    feature_names = ""

    def __init__(self, module: torch.nn.Module, settings: Any = None):
        """settings: what scores depend on beside the network, as JSON."""
        self.module = module.train(False).requires_grad_(False)
        read = weights_digest(dict(module.named_parameters()))
        self.weights = digest([read, settings]) if settings else read

    @abstractmethod
    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """What `judge` needs of images (I, H, W, 3), floats 0..1: (I, ...) on the network's device."""

    @abstractmethod
    def judge(self, encoded: torch.Tensor, prompts: Sequence[str]) -> torch.Tensor:
        """Scores (I * K,), float32 on the CPU, of I encoded images for K prompts each, image by image."""

    def look(self, encoded: torch.Tensor, prompts: Sequence[str]) -> Reading:
        """What `judge` says, with the features that it comes from; (I * K, 0) of an estimator that has none."""
        scores = self.judge(encoded, prompts)
        return Reading(scores, scores.new_empty(len(scores), 0))

    def count_tokens(self, prompt: str) -> int:
        """How many tokens the whole prompt has, start and end included; more than `max_tokens` are not read."""
        return 0

    def cut(self, prompts: Sequence[str]) -> list[str]:
        """A sentence for every different prompt of which it reads only the beginning."""
        return cut(self.name, self.max_tokens, self.count_tokens, prompts) if self.uses_prompt else []

    @property
    def weight(self) -> torch.Tensor:
        """Any weight of the network, to ask for its device and dtype."""
        return next(self.module.parameters())

    @property
    def dtype(self) -> str:
        """The type that the network computes in, as tables record it: "float32" or "float16"."""
        return str(self.weight.dtype).removeprefix("torch.")

    @torch.inference_mode()
    def score(self, images: torch.Tensor, prompts: str | Sequence[str]) -> torch.Tensor:
        """One score per image, (B,) float32 on the CPU; otherwise as `read`."""
        return self.read(images, prompts).scores

    @torch.inference_mode()
    def read(self, images: torch.Tensor, prompts: str | Sequence[str]) -> Reading:
        """Scores and features of B images, from one pass through the network.

        images: (B, H, W, 3), floats 0..1; a fourth channel is transparency, seen on white. prompts: one for all, or one
        for each image.
        ValueError for images that are not finite, another number of prompts, or an empty prompt.
        """
        texts = texts_of(self, images, prompts)
        return self.look(self.encode(images), texts)

    @torch.inference_mode()
    def score_each(self, images: torch.Tensor, prompts: Sequence[str]) -> torch.Tensor:
        """Every image (B, H, W, 3) for every one of K prompts, (B, K); each image is encoded once."""
        check_images(images)
        texts = [*prompts] * len(images)
        check_prompts(texts)
        return self.judge(self.encode(images), texts).view(len(images), -1)


def reading_of(estimator: Any, images: torch.Tensor, prompts: Sequence[str]) -> Reading:
    """What any estimator says of images (B, H, W, 3); one of another make may only score."""
    if hasattr(estimator, "read"):
        return estimator.read(images, prompts)
    scores = estimator.score(images, prompts)
    return Reading(scores, scores.new_empty(len(scores), 0))


def read_in_batches(estimator: Any, images: torch.Tensor, prompts: Sequence[str], size: int) -> Reading:
    """As `reading_of`, `size` images at a time."""
    read = [reading_of(estimator, images[rows], prompts[rows]) for rows in parts(len(images), size)]
    return Reading(*map(torch.cat, zip(*read, strict=True)))


def texts_of(estimator: Any, images: torch.Tensor, prompts: str | Sequence[str]) -> list[str]:
    """The prompt of each image, "" where only images count; ValueError where images or prompts cannot be scored."""
    check_images(images)
    return prompt_per_image(prompts, len(images)) if estimator.uses_prompt else [""] * len(images)


def check_images(images: torch.Tensor) -> None:
    """ValueError unless `images` is (B, H, W, 3), or with a fourth channel for transparency, and finite."""
    if images.ndim != 4 or images.shape[-1] not in (3, 4):
        raise ValueError(f"images of shape {tuple(images.shape)} cannot be scored; give (batch, height, width, 3 or 4)")
    finite = images.isfinite().flatten(1).all(1).tolist()
    if not all(finite):
        raise ValueError(f"image {finite.index(False)} has pixels that are not finite; check the VAE that decoded it")


def prompt_per_image(prompts: str | Sequence[str], count: int) -> list[str]:
    """`prompts` (one, or one per image) as `count` prompts; ValueError for another number or an empty prompt."""
    texts = [prompts] if isinstance(prompts, str) else list(prompts)
    if len(texts) not in (1, count):
        raise ValueError(f"{len(texts)} prompts came for {count} images; give one, or one for each image")
    check_prompts(texts)
    return texts * count if len(texts) == 1 else texts


def check_prompts(prompts: Sequence[str]) -> None:
    """ValueError where a prompt is empty or no text."""
    for text in prompts:
        if not text.strip():
            raise ValueError("an image cannot be scored for an empty prompt; give the prompt it was drawn from")
        check_text(text)
