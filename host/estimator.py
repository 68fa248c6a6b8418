"""An estimator as ComfyUI's memory manager sees it."""

from collections.abc import Sequence
from pathlib import Path

import comfy.model_management
import comfy.model_patcher
import comfy.ops
import torch
from torch.utils.weak import WeakIdKeyDictionary

from ..adaptive_diffusion import estimators
from ..adaptive_diffusion.estimators.base import Reading, texts_of
from .files.estimators import CLIP_TOKENIZER
from .hosted import Hosted

LARGEST_CHUNK = 64
SHARE_OF_FREE_MEMORY = 0.5
BYTES_PER_IMAGE = 48 * 2**20
COPIES_OF_PIXELS = 4


class QualityNetwork(torch.nn.Module):
    """An estimator's network inside a module that is ours: ComfyUI sets `device`, which transformers' models refuse."""

    def __init__(self, network: torch.nn.Module):
        super().__init__()
        self.network = network


class HostedEstimator(Hosted):
    """A quality estimator whose weights ComfyUI loads, offloads and frees; the value of a QUALITY_ESTIMATOR link.

    What it saw in a batch of images is kept, on the CPU, for as long as ComfyUI keeps those images: another prompt
    for the same images costs no second look.
    """

    def __init__(self, path: Path, dtype: str = "float32", clip_vision: Path | None = None):
        self.estimator = estimators.load(path, comfy.ops.manual_cast, dtype, CLIP_TOKENIZER, clip_vision)
        self.patcher = comfy.model_patcher.CoreModelPatcher(
            QualityNetwork(self.estimator.module),
            load_device=comfy.model_management.text_encoder_device(),
            offload_device=comfy.model_management.text_encoder_offload_device(),
        )
        self._seen: WeakIdKeyDictionary = WeakIdKeyDictionary()

    def read(self, images: torch.Tensor, prompts: Sequence[str]) -> Reading:
        texts = texts_of(self.estimator, images, prompts)
        chunk = self._load(images)
        encoded, readings = self._encoded(images, chunk), []
        for start in range(0, len(images), chunk):
            comfy.model_management.throw_exception_if_processing_interrupted()
            part = encoded[start : start + chunk].to(self.patcher.load_device)
            readings.append(self.estimator.look(part, texts[start : start + chunk]))
        return Reading(*map(torch.cat, zip(*readings, strict=True)))

    def _load(self, images: torch.Tensor) -> int:
        """Bring the weights in; gives how many images fit beside them."""
        each = BYTES_PER_IMAGE + COPIES_OF_PIXELS * images[0].numel() * 4
        count = min(len(images), LARGEST_CHUNK)
        comfy.model_management.load_models_gpu([self.patcher], memory_required=count * each)
        free = comfy.model_management.get_free_memory(self.patcher.load_device) * SHARE_OF_FREE_MEMORY
        return max(1, min(count, int(free // each)))

    def _encoded(self, images: torch.Tensor, chunk: int) -> torch.Tensor:
        if images not in self._seen:
            parts = []
            for part in images.split(chunk):
                comfy.model_management.throw_exception_if_processing_interrupted()
                parts.append(self.estimator.encode(part).cpu())
            self._seen[images] = torch.cat(parts)
        return self._seen[images]
