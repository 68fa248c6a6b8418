"""An estimator as ComfyUI's memory manager sees it."""

from collections.abc import Sequence
from pathlib import Path

import comfy.model_management
import comfy.model_patcher
import comfy.ops
import torch

from ..adaptive_diffusion import estimators
from ..adaptive_diffusion.estimators.base import Reading, texts_of
from ..adaptive_diffusion.parts import parts
from .files.estimators import CLIP_TOKENIZER
from .hosted import Hosted
from .seen import Seen

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
    """A quality estimator whose weights ComfyUI loads, offloads and frees; the value of a QUALITY_ESTIMATOR link."""

    def __init__(self, path: Path, dtype: str = "float32", clip_vision: Path | None = None):
        self.estimator = estimators.load(path, comfy.ops.manual_cast, dtype, CLIP_TOKENIZER, clip_vision)
        self.patcher = comfy.model_patcher.CoreModelPatcher(
            QualityNetwork(self.estimator.module),
            load_device=comfy.model_management.text_encoder_device(),
            offload_device=comfy.model_management.text_encoder_offload_device(),
        )
        self.seen = Seen()

    def read(self, images: torch.Tensor, prompts: Sequence[str]) -> Reading:
        texts = texts_of(self.estimator, images, prompts)
        chunk = self._load(images)
        readings = []
        for rows in parts(len(images), chunk):
            comfy.model_management.throw_exception_if_processing_interrupted()
            seen = self.seen.of(images, range(rows.start, rows.stop), self.estimator.encode)
            readings.append(self.estimator.look(seen.to(self.patcher.load_device), texts[rows]))
        return Reading(*map(torch.cat, zip(*readings, strict=True)))

    def _load(self, images: torch.Tensor) -> int:
        """Bring the weights in; gives how many images fit beside them."""
        each = BYTES_PER_IMAGE + COPIES_OF_PIXELS * images[0].numel() * 4
        count = min(len(images), LARGEST_CHUNK)
        comfy.model_management.load_models_gpu([self.patcher], memory_required=count * each)
        free = comfy.model_management.get_free_memory(self.patcher.load_device) * SHARE_OF_FREE_MEMORY
        return max(1, min(count, int(free // each)))
