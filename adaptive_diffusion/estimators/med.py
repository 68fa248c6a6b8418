"""The text encoder of BLIP (MED-BERT, arXiv 2201.12086): every layer looks at the image through cross attention."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from .vit import count_layers


@dataclass(frozen=True)
class TextConfig:
    """Sizes of the text encoder; `vision_width` is the width of the image tokens."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    hidden: int
    positions: int
    vision_width: int
    eps: float

    @classmethod
    def read(cls, state: Mapping[str, torch.Tensor], prefix: str, heads: int, eps: float) -> "TextConfig":
        """The sizes that the weights under `prefix` have; heads and eps leave no trace in them."""
        vocabulary, width = state[f"{prefix}embeddings.word_embeddings.weight"].shape
        positions = state[f"{prefix}embeddings.position_embeddings.weight"].shape[0]
        hidden = state[f"{prefix}encoder.layer.0.intermediate.dense.weight"].shape[0]
        vision_width = state[f"{prefix}encoder.layer.0.crossattention.self.key.weight"].shape[1]
        layers = count_layers(state, f"{prefix}encoder.layer.")
        return cls(vocabulary, width, layers, heads, hidden, positions, vision_width, eps)


def padding_mask(present: torch.Tensor) -> torch.Tensor:
    """Additive attention mask (B, 1, 1, L) that hides the tokens where `present` (B, L) is False."""
    return torch.zeros(present.shape, device=present.device).masked_fill(~present, -torch.inf)[:, None, None]


class Embeddings(nn.Module):
    def __init__(self, config: TextConfig, operations: Any):
        super().__init__()
        self.word_embeddings = operations.Embedding(config.vocabulary, config.width)
        self.position_embeddings = operations.Embedding(config.positions, config.width)
        self.LayerNorm = operations.LayerNorm(config.width, eps=config.eps)

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What the layers start from, and the words alone, both (B, L, width)."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        words = self.word_embeddings(tokens)
        return self.LayerNorm(words + self.position_embeddings(places)), words


class Projections(nn.Module):
    """Attention from the text over `source`, heads side by side again at the end."""

    def __init__(self, width: int, source_width: int, heads: int, operations: Any):
        super().__init__()
        self.heads = heads
        self.query = operations.Linear(width, width)
        self.key = operations.Linear(source_width, width)
        self.value = operations.Linear(source_width, width)

    def forward(self, x: torch.Tensor, source: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        query, key, value = self._split(self.query(x)), self._split(self.key(source)), self._split(self.value(source))
        mixed = scaled_dot_product_attention(query, key, value, mask if mask is None else mask.to(query))
        return mixed.transpose(1, 2).flatten(2)

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Residual(nn.Module):
    def __init__(self, inner: int, config: TextConfig, operations: Any):
        super().__init__()
        self.dense = operations.Linear(inner, config.width)
        self.LayerNorm = operations.LayerNorm(config.width, eps=config.eps)

    def forward(self, inner: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return self.LayerNorm(self.dense(inner) + x)


class Attention(nn.Module):
    def __init__(self, source_width: int, config: TextConfig, operations: Any):
        super().__init__()
        self.self = Projections(config.width, source_width, config.heads, operations)
        self.output = Residual(config.width, config, operations)

    def forward(self, x: torch.Tensor, source: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        return self.output(self.self(x, source, mask), x)


class Intermediate(nn.Module):
    def __init__(self, config: TextConfig, operations: Any):
        super().__init__()
        self.dense = operations.Linear(config.width, config.hidden)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return gelu(self.dense(x))


class Layer(nn.Module):
    def __init__(self, config: TextConfig, operations: Any):
        super().__init__()
        self.attention = Attention(config.width, config, operations)
        self.crossattention = Attention(config.vision_width, config, operations)
        self.intermediate = Intermediate(config, operations)
        self.output = Residual(config.hidden, config, operations)

    def forward(self, x: torch.Tensor, mask: torch.Tensor, vision: torch.Tensor) -> torch.Tensor:
        x = self.attention(x, x, mask)
        x = self.crossattention(x.reshape(len(vision), -1, x.shape[-1]), vision).view_as(x)
        return self.output(self.intermediate(x), x)


class Layers(nn.Module):
    def __init__(self, config: TextConfig, operations: Any):
        super().__init__()
        self.layer = nn.ModuleList(Layer(config, operations) for _ in range(config.layers))

    def forward(self, x: torch.Tensor, mask: torch.Tensor, vision: torch.Tensor) -> torch.Tensor:
        for layer in self.layer:
            x = layer(x, mask, vision)
        return x


class TextEncoder(nn.Module):
    """Token ids (B, L) and image tokens (I, P, vision_width) to text states and word embeddings, both (B, L, width).

    B is a multiple of I: the first B/I texts belong to the first image, and so on.
    mask: additive, broadcastable to (B, heads, L, L); see `padding_mask`.
    """

    def __init__(self, config: TextConfig, operations: Any):
        super().__init__()
        self.embeddings = Embeddings(config, operations)
        self.encoder = Layers(config, operations)

    def forward(
        self, tokens: torch.Tensor, mask: torch.Tensor, vision: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        begun, words = self.embeddings(tokens)
        return self.encoder(begun, mask, vision), words
