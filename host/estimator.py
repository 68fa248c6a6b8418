"""An estimator as ComfyUI's memory manager sees it."""

from collections.abc import Sequence
from pathlib import Path

import comfy.model_management
import comfy.model_patcher
import comfy.ops
import torch

from ..adaptive_diffusion import estimators

CHUNK = 16
BYTES_PER_IMAGE = 32 * 2**20


class HostedEstimator:
    """A quality estimator whose weights ComfyUI loads, offloads and frees; the value of a QUALITY_ESTIMATOR link."""

    def __init__(self, path: Path):
        self.estimator = estimators.load(path, operations=comfy.ops.manual_cast)
        self.patcher = comfy.model_patcher.CoreModelPatcher(
            self.estimator.module,
            load_device=comfy.model_management.text_encoder_device(),
            offload_device=comfy.model_management.text_encoder_offload_device(),
        )

    def score(self, images: torch.Tensor, prompts: Sequence[str]) -> list[float]:
        """One score per image of `images` (B, H, W, 3), floats 0..1; `prompts` has one entry per image."""
        scores: list[float] = []
        for start in range(0, len(images), CHUNK):
            comfy.model_management.throw_exception_if_processing_interrupted()
            chunk = images[start : start + CHUNK]
            comfy.model_management.load_models_gpu([self.patcher], memory_required=len(chunk) * BYTES_PER_IMAGE)
            scores += self.estimator.score(chunk, prompts[start : start + CHUNK]).tolist()
        return scores
