"""Estimators in ImageReward's form (arXiv 2304.05977): BLIP reads prompt and image, a head gives one number."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from .base import Estimator
from .bert_words import BertTokenizer
from .preprocess import CLIP_MEAN, CLIP_STD, preprocess
from .reward_net import HEAD, TEXT, VISION, RewardNet, has_gelu_head, read_config
from .weights import Shapes
from .words import WordTokenizer

KIND = "ImageReward"
METADATA = "estimator"
UNUSED = ("blip.vision_proj.", "blip.text_proj.", "blip.text_encoder.embeddings.position_ids")


@dataclass(frozen=True)
class Settings:
    """What an estimator's weights do not tell; kept as JSON under `estimator` in a file's metadata.

    image_mean, image_std: of the training pixels, per channel. score_mean, score_std: of the raw scores.
    vocabulary: its words for a closed grammar; none for BERT's word pieces.
    """

    name: str
    vision_heads: int
    text_heads: int
    vision_eps: float
    text_eps: float
    image_mean: Sequence[float]
    image_std: Sequence[float]
    score_mean: float
    score_std: float
    max_length: int
    vocabulary: Sequence[str] = ()

    @classmethod
    def of(cls, state: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> "Settings":
        """The settings a file carries; without any, those of the published weights with such a head."""
        if METADATA not in metadata:
            return CYCLE_REWARD if has_gelu_head(state) else IMAGE_REWARD
        try:
            return cls(**json.loads(metadata[METADATA]))
        except (TypeError, ValueError):
            raise ValueError(f"'{METADATA}' in the file's metadata is malformed; download the file again") from None

    def metadata(self) -> dict[str, str]:
        return {METADATA: json.dumps(asdict(self))}


PUBLISHED = (16, 12, 1e-6, 1e-12, CLIP_MEAN, CLIP_STD)
IMAGE_REWARD = Settings("ImageReward", *PUBLISHED, 0.16717362830052426, 1.0333394966054072, 35)
CYCLE_REWARD = Settings("CycleReward", *PUBLISHED, 0.0, 1.0, 128)


class BlipReward(Estimator):
    def __init__(self, module: RewardNet, settings: Settings, image_size: int):
        super().__init__(module)
        self.net = module
        self.name = settings.name
        self.settings = settings
        self.image_size = image_size
        self.max_tokens = settings.max_length
        words, length = settings.vocabulary, settings.max_length
        self.tokenizer = WordTokenizer(words, length) if words else BertTokenizer(length)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        weight, settings = self.weight, self.settings
        pixels = preprocess(images.to(weight.device), self.image_size, settings.image_mean, settings.image_std)
        return self.net.blip.visual_encoder(pixels.to(weight.dtype))

    def judge(self, features: torch.Tensor, prompts: Sequence[str]) -> torch.Tensor:
        tokens, present = self.tokenizer(prompts)
        longest = int(present.sum(1).max())
        tokens, present = (rows[:, :longest].to(features.device) for rows in (tokens, present))
        raw = self.net.judge(features, tokens, present).float().cpu()
        return (raw - self.settings.score_mean) / self.settings.score_std

    def count_tokens(self, prompt: str) -> int:
        return self.tokenizer.count(prompt)


def recognises(shapes: Shapes) -> bool:
    """Whether a file's keys are those of this form."""
    return all(any(key.startswith(prefix) for key in shapes) for prefix in (VISION, TEXT, HEAD))


def build(
    state: Mapping[str, torch.Tensor], metadata: Mapping[str, str], operations: Any, dtype: torch.dtype
) -> BlipReward:
    """The estimator a file holds; ValueError where a weight is missing, unknown or of another shape."""
    settings = Settings.of(state, metadata)
    used = {key: tensor.to(dtype) for key, tensor in state.items() if not key.startswith(UNUSED)}
    heads, eps = (settings.vision_heads, settings.text_heads), (settings.vision_eps, settings.text_eps)
    try:
        config = read_config(used, heads, eps)
        with torch.device("meta"):
            module = RewardNet(config, operations)
        module.load_state_dict(used, assign=True)
    except KeyError as error:
        raise ValueError(f"the estimator's weight {error} is missing; download the file again") from None
    except RuntimeError as error:
        raise ValueError(f"the estimator's weights do not fit together ({_first_fault(error)})") from None
    return BlipReward(module, settings, config.vision.image_size)


def _first_fault(error: RuntimeError) -> str:
    return str(error).splitlines()[-1].strip().rstrip(".")
