"""The vision transformer of BLIP (arXiv 2201.12086), with the parameter names of its published weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import gelu, scaled_dot_product_attention


@dataclass(frozen=True)
class VisionConfig:
    """Sizes of the image encoder; `image_size` and `patch` are in pixels."""

    width: int
    layers: int
    heads: int
    hidden: int
    patch: int
    image_size: int
    eps: float

    @classmethod
    def read(cls, state: Mapping[str, torch.Tensor], prefix: str, heads: int, eps: float) -> "VisionConfig":
        """The sizes that the weights under `prefix` have; heads and eps leave no trace in them."""
        width, _, patch, _ = state[f"{prefix}patch_embed.proj.weight"].shape
        side = round((state[f"{prefix}pos_embed"].shape[1] - 1) ** 0.5)
        hidden = state[f"{prefix}blocks.0.mlp.fc1.weight"].shape[0]
        return cls(width, count_layers(state, f"{prefix}blocks."), heads, hidden, patch, side * patch, eps)


def count_layers(state: Mapping[str, torch.Tensor], prefix: str) -> int:
    """How many numbered layers lie under `prefix`."""
    return len({key[len(prefix) :].split(".")[0] for key in state if key.startswith(prefix)})


class Attention(nn.Module):
    def __init__(self, width: int, heads: int, operations: Any):
        super().__init__()
        self.heads = heads
        self.qkv = operations.Linear(width, 3 * width)
        self.proj = operations.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        query, key, value = self.qkv(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(query, key, value)
        return self.proj(mixed.transpose(1, 2).reshape(batch, length, width))


class FeedForward(nn.Module):
    def __init__(self, width: int, hidden: int, operations: Any):
        super().__init__()
        self.fc1 = operations.Linear(width, hidden)
        self.fc2 = operations.Linear(hidden, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, config: VisionConfig, operations: Any):
        super().__init__()
        self.norm1 = operations.LayerNorm(config.width, eps=config.eps)
        self.attn = Attention(config.width, config.heads, operations)
        self.norm2 = operations.LayerNorm(config.width, eps=config.eps)
        self.mlp = FeedForward(config.width, config.hidden, operations)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    def __init__(self, config: VisionConfig, operations: Any):
        super().__init__()
        self.proj = operations.Conv2d(3, config.width, config.patch, stride=config.patch)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.proj(pixels).flatten(2).transpose(1, 2)


class VisionTransformer(nn.Module):
    """Normalised pixels (B, 3, S, S) to one class token and one token per patch, (B, 1 + (S/patch)^2, width)."""

    def __init__(self, config: VisionConfig, operations: Any):
        super().__init__()
        patches = (config.image_size // config.patch) ** 2
        self.cls_token = nn.Parameter(torch.empty(1, 1, config.width))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + patches, config.width))
        self.patch_embed = PatchEmbed(config, operations)
        self.blocks = nn.ModuleList(Block(config, operations) for _ in range(config.layers))
        self.norm = operations.LayerNorm(config.width, eps=config.eps)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        patches = self.patch_embed(pixels)
        x = torch.cat([self.cls_token.expand(len(pixels), -1, -1), patches], dim=1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.norm(x)
