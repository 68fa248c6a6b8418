"""A text encoder of ComfyUI as a quality estimator: it judges with the memory that it already has."""

from collections.abc import Sequence
from typing import Any

import comfy.model_management
import torch

from ..adaptive_diffusion.estimators.base import Reading, texts_of
from ..adaptive_diffusion.estimators.vlm import Questions, VisionJudge
from ..adaptive_diffusion.estimators.vlm.network import Answers
from ..adaptive_diffusion.estimators.vlm.resize import fitting
from .hosted import Hosted
from .seen import Seen
from .vision_network import ClipNetwork


class HostedVisionJudge(Hosted):
    """A `VisionJudge` of a CLIP, which ComfyUI loads and frees as before; the value of a QUALITY_ESTIMATOR link."""

    def __init__(self, clip: Any, questions: Questions):
        self.network = ClipNetwork(clip)
        self.estimator = VisionJudge(self.network, questions)
        self.patcher = clip.patcher
        self.seen = Seen()

    def read(self, images: torch.Tensor, prompts: Sequence[str]) -> Reading:
        """The scores, and as features the log-odds of every answer."""
        texts = texts_of(self.estimator, images, prompts)
        self._load(images, texts)
        with comfy.model_management.cuda_device_context(self.patcher.load_device):
            return self.estimator.reading(self._answers(images, texts))

    def _answers(self, images: torch.Tensor, texts: Sequence[str]) -> Answers:
        found = []
        for number, text in enumerate(texts):
            comfy.model_management.throw_exception_if_processing_interrupted()
            seen = self.seen.of(images, range(number, number + 1), self.estimator.encode)
            found.append(self.estimator.answer(seen.to(self.patcher.load_device), [text]))
        return Answers(*map(torch.cat, zip(*found, strict=True)))

    def _load(self, images: torch.Tensor, texts: Sequence[str]) -> None:
        """Bring the weights in, with room for one image and all questions on it."""
        questions = len(self.estimator.questions.all)
        tokens = questions * max(map(self.estimator.count_tokens, dict.fromkeys(texts)))
        needed = self.network.memory(*fitting(*images.shape[1:3]), questions, tokens)
        comfy.model_management.load_models_gpu([self.patcher], memory_required=needed)
