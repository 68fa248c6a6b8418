"""Quality estimators: networks that say how good an image is for its prompt."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open

from . import blip_reward

__all__ = ["Estimator", "load"]


class Estimator(Protocol):
    """name: what percentile tables call it. module: its network, which a host may move between devices."""

    name: str
    uses_prompt: bool
    dtype: str

    @property
    def module(self) -> torch.nn.Module: ...

    def score(self, images: torch.Tensor, prompts: str | Sequence[str]) -> torch.Tensor:
        """One score per image, (B,) float32 on the CPU, higher is better.

        images: (B, H, W, 3), floats 0..1. prompts: one for all, or one for each image.
        ValueError for images that are not finite, another number of prompts, or an empty prompt.
        """
        ...


def load(path: str | Path, operations: Any = torch.nn) -> Estimator:
    """Open an estimator's safetensors file; its kind is told from its keys and its sizes from its tensors.

    operations: where Linear, LayerNorm, Embedding and Conv2d come from, for hosts with layers of their own.
    ValueError where the file is not an estimator.
    """
    path = Path(path)
    state, metadata = _read(path)
    if not blip_reward.recognises(state):
        raise ValueError(
            f"'{path.name}' is not a quality estimator; expected ImageReward's keys "
            f"(blip.visual_encoder, blip.text_encoder, mlp.layers), found '{next(iter(state), 'none')}'"
        )
    return blip_reward.build(state, metadata, operations)


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no estimator file '{path}'")
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError:
        raise ValueError(f"'{path.name}' is not a safetensors file; convert the estimator to safetensors") from None
