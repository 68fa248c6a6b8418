"""Frozen networks whose features tell drawn images from real ones: the teacher's own, or a DINOv2 in a folder."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from transformers import AutoConfig, Dinov2Model

from ..quoting import quoted
from .layouts import Condition
from .objective import randn_like
from .teacher import Teacher

LOWEST, HIGHEST = 20, 980
DINO_LAYERS = (2, 5, 8, 11)
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Features(ABC):
    """A frozen network's view of clean latents. widths: of the features it gives; image_width: of a description."""

    widths: Sequence[int]
    image_width: int

    @abstractmethod
    def __call__(self, latents: torch.Tensor, condition: Condition) -> list[torch.Tensor]:
        """Features (B, N, C), one for each of `widths`, in float32, of latents (B, C, H, W)."""

    @abstractmethod
    def describe(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """A description (B, image_width) of images by their features."""


class TeacherFeatures(Features):
    """What the teacher's attention blocks give for latents noised again, as in LADD (arXiv 2403.12015, section 3)."""

    def __init__(self, teacher: Teacher, latents: torch.Tensor):
        """latents: some of the data, (1, C, H, W), by which the widths are found."""
        self.teacher = teacher
        self.blocks = [module for module in teacher.network.modules() if isinstance(module, Transformer2DModel)]
        with torch.random.fork_rng(), torch.no_grad():
            self.widths = [each.shape[-1] for each in self(latents, teacher.blank)]
        self.image_width = self.widths[-1]

    def __call__(self, latents: torch.Tensor, condition: Condition) -> list[torch.Tensor]:
        found: list[torch.Tensor] = []
        hooks = [block.register_forward_hook(lambda *call: found.append(call[2][0])) for block in self.blocks]
        timesteps = torch.randint(LOWEST, HIGHEST + 1, (len(latents),)).to(latents.device)
        try:
            x = self.teacher.levels.noised(latents, randn_like(latents), timesteps)
            self.teacher.predict(self.teacher.network, x, timesteps, condition)
        finally:
            for hook in hooks:
                hook.remove()
        return [each.float().flatten(2).transpose(1, 2) for each in found]

    def describe(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        return features[-1].mean(1)


class DinoFeatures(Features):
    """What four layers of a DINOv2 (arXiv 2304.07193) give for decoded images, as in ADD; its first token describes.

    folder: of transformers' Dinov2Model. decode: latents (B, C, H, W) to pixels (B, 3, H, W) in -1..1.
    """

    def __init__(self, folder: Path, decode: Callable[[torch.Tensor], torch.Tensor], device: str):
        self.decode = decode
        self.network: Any = dino(folder).to(device).train(False).requires_grad_(False)
        config = self.network.config
        self.layers = [layer for layer in DINO_LAYERS if layer < config.num_hidden_layers] or [0]
        self.patch, self.image_width = config.patch_size, config.hidden_size
        self.widths = [config.hidden_size] * len(self.layers)

    def __call__(self, latents: torch.Tensor, condition: Condition) -> list[torch.Tensor]:
        pixels = (self.decode(latents).float() + 1) / 2
        sides = [max(1, round(side / self.patch)) * self.patch for side in pixels.shape[2:]]
        pixels = torch.nn.functional.interpolate(pixels, sides, mode="bicubic", antialias=True)
        mean, deviation = (torch.tensor(each).view(1, 3, 1, 1).to(pixels) for each in (MEAN, DEVIATION))
        states = self.network((pixels - mean) / deviation, output_hidden_states=True).hidden_states
        return [states[layer + 1].float() for layer in self.layers]

    def describe(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        return features[-1][:, 0]


def dino(folder: Path) -> Any:
    """The DINOv2 in a folder; ValueError where it holds none."""
    fix = "name the folder of a DINOv2 as transformers saves it, such as facebook/dinov2-small, or choose teacher"
    try:
        kind = AutoConfig.from_pretrained(folder, local_files_only=True).model_type
        if kind != "dinov2":
            raise ValueError(f"is a {kind}")
        return Dinov2Model.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    except Exception as error:  # whatever an incomplete or damaged model makes the library raise
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ValueError(f"{quoted(folder)} gives no features ({reason}); {fix}") from error
