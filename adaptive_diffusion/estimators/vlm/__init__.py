"""Vision-language models as quality estimators: the probability with which one answers Yes to a question on an image.

VQAScore (arXiv 2404.01291). The same code asks a text encoder that ComfyUI loaded and a model of transformers.
"""

from .judge import VisionJudge
from .questions import Questions

__all__ = ["Questions", "VisionJudge"]
