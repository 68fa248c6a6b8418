"""Letters that tell pictures, weights and settings apart."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch

_BYTES = 8
_SAMPLED = 64


def digest(content: Any) -> str:
    """16 letters that stand for what JSON can hold; the same in every process."""
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[: 2 * _BYTES]


def weights_digest(weights: Mapping[str, torch.Tensor]) -> str:
    """Letters that differ for other weights, of which some numbers of every tensor are read."""
    return digest([part for name in sorted(weights) for part in (name, sampled(weights[name]))])


def sampled(tensor: torch.Tensor) -> list[Any]:
    """Shape, type and some evenly spread numbers of a tensor, as JSON holds them."""
    flat = tensor.detach().flatten()
    numbers = flat[:: max(1, len(flat) // _SAMPLED)][:_SAMPLED].float().cpu().tolist()
    return [list(tensor.shape), str(tensor.dtype), numbers]


def image_digests(images: torch.Tensor, prompts: Sequence[str]) -> tuple[str, ...]:
    """One for each of `images` (B, H, W, C), floats 0..1: of its size, its 8-bit pixels and its prompt."""
    return tuple(_of_one(image, prompt) for image, prompt in zip(images, prompts, strict=True))


def _of_one(image: torch.Tensor, prompt: str) -> str:
    pixels = image.mul(255).round().clamp(0, 255).byte().cpu().contiguous().numpy().tobytes()
    return digest([*image.shape, hashlib.sha256(pixels).hexdigest(), prompt])
