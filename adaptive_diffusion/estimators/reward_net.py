"""The network of ImageReward (arXiv 2304.05977) and CycleReward (arXiv 2506.02095): BLIP, and a head of one number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from .med import TextConfig, TextEncoder, padding_mask
from .vit import VisionConfig, VisionTransformer

VISION = "blip.visual_encoder."
TEXT = "blip.text_encoder."
HEAD = "mlp.layers."
LINEAR_HEAD = (0, 2, 4, 6, 7)
GELU_HEAD = (0, 2, 4, 6, 8)
DROPOUTS = {1: 0.2, 3: 0.2, 5: 0.1}


@dataclass(frozen=True)
class RewardConfig:
    """All sizes of the network; `head`: input widths of the head's linear layers, `gelu`: what lies between them."""

    vision: VisionConfig
    text: TextConfig
    head: tuple[int, ...]
    gelu: bool = False

    @property
    def places(self) -> tuple[int, ...]:
        """Where the linear layers stand in the head."""
        return GELU_HEAD if self.gelu else LINEAR_HEAD


def has_gelu_head(keys: Mapping[str, Any]) -> bool:
    return f"{HEAD}{GELU_HEAD[-1]}.weight" in keys


class Blip(nn.Module):
    def __init__(self, config: RewardConfig, operations: Any):
        super().__init__()
        self.visual_encoder = VisionTransformer(config.vision, operations)
        self.text_encoder = TextEncoder(config.text, operations)


class Head(nn.Module):
    """Five linear layers: ImageReward's with dropout and no activation between them, CycleReward's with GELU."""

    def __init__(self, config: RewardConfig, operations: Any):
        super().__init__()
        outputs = [*config.head[1:], 1]
        linear = [operations.Linear(i, o) for i, o in zip(config.head, outputs, strict=True)]
        layers: dict[int, nn.Module] = dict(zip(config.places, linear, strict=True))
        for place, share in DROPOUTS.items():
            layers[place] = nn.GELU() if config.gelu else nn.Dropout(share)
        if config.gelu:
            layers[7] = nn.GELU()
        self.layers = nn.Sequential(*(layers[place] for place in sorted(layers)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


class RewardNet(nn.Module):
    def __init__(self, config: RewardConfig, operations: Any = torch.nn):
        super().__init__()
        self.image_size = config.vision.image_size
        self.blip = Blip(config, operations)
        self.mlp = Head(config, operations)

    def judge(
        self, vision: torch.Tensor, tokens: torch.Tensor, present: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Raw scores (B,) of images (I, P, width) that are encoded already, B/I texts (B, L) for each.

        Beside them (B, 2 * width): what the head reads, and the mean embedding of the words between start and end.
        """
        states, words = self.blip.text_encoder(tokens, padding_mask(present), vision)
        joint = states[:, 0]
        return self.mlp(joint)[:, 0], torch.cat([joint, _mean_inside(words, present)], 1)


def _mean_inside(words: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """The mean (B, width) of words (B, L, width), start, end and padding left out; 0 where nothing else is there."""
    inside = present.clone()
    inside[:, 0] = False
    inside[:, :-1] &= present[:, 1:]
    inside[:, -1] = False
    return (words * inside[..., None]).sum(1) / inside.sum(1, keepdim=True).clamp(min=1)


def read_config(state: Mapping[str, torch.Tensor], heads: Sequence[int], eps: Sequence[float]) -> RewardConfig:
    """The sizes of a file's weights; heads and eps (of the image encoder, of the text encoder) leave no trace there."""
    gelu = has_gelu_head(state)
    places = GELU_HEAD if gelu else LINEAR_HEAD
    return RewardConfig(
        VisionConfig.read(state, VISION, heads[0], eps[0]),
        TextConfig.read(state, TEXT, heads[1], eps[1]),
        tuple(state[f"{HEAD}{place}.weight"].shape[1] for place in places),
        gelu,
    )
