"""Letters that tell one vision-language model's weights from another's, however they are stored and held."""

from collections.abc import Mapping

import torch

from ...digest import digest

SIZES = {2048: "2B", 2560: "4B", 4096: "8B", 5120: "32B"}
SAMPLED = 64


def sized(width: int) -> str:
    """What a Qwen3-VL whose tokens are `width` numbers wide is called."""
    return f"Qwen3-VL {SIZES.get(width, f'of width {width}')}"


def sampled_digest(weights: Mapping[str, torch.Tensor]) -> str:
    """Of some numbers of each tensor, whatever type they are stored in."""
    return digest([[name, _numbers(weight)] for name, weight in sorted(weights.items())])


def _numbers(weight: torch.Tensor) -> list[float]:
    flat = weight.detach().flatten()
    return flat[:: max(1, len(flat) // SAMPLED)][:SAMPLED].float().cpu().tolist()
