"""LAION's aesthetic predictor v2 (github.com/christophschuhmann/improved-aesthetic-predictor); it reads no prompt."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from .base import Estimator, Reading
from .clip_net import VIT_L, embed_images, read_image_tower
from .clip_preprocess import crop_even
from .filling import fill
from .weights import State

HEAD_LAYERS = (0, 2, 4, 6, 7)


class AestheticNet(nn.Module):
    def __init__(self, clip: nn.Module, head: nn.Module):
        super().__init__()
        self.clip = clip
        self.head = head


class Aesthetic(Estimator):
    """Five linear layers with nothing between them, on the embedding that CLIP ViT-L/14 has of an image."""

    name = "LAION aesthetic v2"
    uses_prompt = False

    def __init__(self, state: State, clip_vision_state: State | None, dtype: torch.dtype):
        """state: the linear layers, which stay float32. clip_vision_state: CLIP ViT-L/14, which computes in `dtype`."""
        if clip_vision_state is None:
            raise ValueError(
                f"{self.name} needs the image encoder of CLIP ViT-L/14 and none was given; "
                "choose its file (vision_model.* and visual_projection.weight) as well"
            )
        self.clip: Any = read_image_tower(clip_vision_state, VIT_L, dtype)
        self.head = read_head(state)
        width, found = self.head[0].in_features, self.clip.visual_projection.out_features
        if width != found:
            raise ValueError(f"{self.name} reads {width} numbers an image, this CLIP gives {found}; use CLIP ViT-L/14")
        self.feature_names = f"image embedding {width}"
        super().__init__(AestheticNet(self.clip, self.head))

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        return embed_images(self.clip, images, crop_even)

    def judge(self, encoded: torch.Tensor, prompts: Sequence[str]) -> torch.Tensor:
        return self.look(encoded, prompts).scores

    def look(self, encoded: torch.Tensor, prompts: Sequence[str]) -> Reading:
        each = len(prompts) // len(encoded)
        scores = self.head(encoded)[:, 0]
        return Reading(scores.repeat_interleave(each).cpu(), encoded.repeat_interleave(each, dim=0).cpu())


def read_head(state: State) -> Any:
    """The linear layers in a row, float32; ValueError where a weight is missing, unknown or misshaped."""

    def layers(state: State) -> nn.Module:
        return nn.ModuleDict({"layers": nn.ModuleDict({str(i): _linear(state, i) for i in HEAD_LAYERS})})

    named: Any = fill(layers, state, torch.float32, "the aesthetic predictor")
    return nn.Sequential(*named["layers"].values())


def _linear(state: State, place: int) -> nn.Linear:
    out_features, in_features = state[f"layers.{place}.weight"].shape
    return nn.Linear(in_features, out_features)
