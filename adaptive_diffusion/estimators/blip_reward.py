"""Estimators in ImageReward's form (arXiv 2304.05977): BLIP reads prompt and image, a head gives one number."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from ..reading import parse_json, told
from .base import Estimator, Reading
from .bert_words import BertTokenizer
from .filling import fill
from .preprocess import CLIP_MEAN, CLIP_STD, preprocess
from .reward_net import HEAD, TEXT, VISION, RewardConfig, RewardNet, has_gelu_head, read_config
from .weights import Shapes, State
from .words import END, PAD, START, WordTokenizer

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
    def of(cls, state: State, metadata: Mapping[str, str]) -> "Settings":
        """The settings a file carries; without any, those of the published weights with such a head."""
        if METADATA not in metadata:
            return CYCLE_REWARD if has_gelu_head(state) else IMAGE_REWARD
        with told(f"'{METADATA}' in the file's metadata is malformed; download the file again"):
            settings = cls(**parse_json(metadata[METADATA].encode()))
            settings.check()
            return settings

    def check(self) -> None:
        """ValueError, or one of Python's own, where a part is of another kind or cannot be computed with."""
        whole = (self.vision_heads, self.text_heads, self.max_length)
        above_0 = (*whole, self.vision_eps, self.text_eps, *self.image_std, self.score_std)
        numbers = (*above_0, *self.image_mean, self.score_mean)
        fits = (
            len(self.image_mean) == len(self.image_std) == 3 and min(above_0) > 0 and all(map(math.isfinite, numbers))
        )
        if not fits or not all(type(number) is int for number in whole) or not self.name.isprintable():
            raise ValueError("settings that cannot be computed with")
        if self.vocabulary and not {PAD, START, END} <= {*self.vocabulary}:
            raise ValueError("a vocabulary without marks")

    def metadata(self) -> dict[str, str]:
        return {METADATA: json.dumps(asdict(self))}


PUBLISHED = (16, 12, 1e-6, 1e-12, CLIP_MEAN, CLIP_STD)
IMAGE_REWARD = Settings("ImageReward", *PUBLISHED, 0.16717362830052426, 1.0333394966054072, 35)
CYCLE_REWARD = Settings("CycleReward", *PUBLISHED, 0.0, 1.0, 128)
RELATIVE = (IMAGE_REWARD.name, CYCLE_REWARD.name)


class BlipReward(Estimator):
    def __init__(self, module: RewardNet, settings: Settings):
        super().__init__(module, asdict(settings))
        self.net = module
        self.name = settings.name
        self.relative = settings.name in RELATIVE
        self.settings = settings
        self.max_tokens = settings.max_length
        width = module.mlp.layers[0].in_features
        self.feature_names = f"joint state {width}, mean word embedding {width}"
        words, length = settings.vocabulary, settings.max_length
        self.tokenizer = WordTokenizer(words, length) if words else BertTokenizer(length)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        weight, settings = self.weight, self.settings
        pixels = preprocess(images.to(weight.device), self.net.image_size, settings.image_mean, settings.image_std)
        return self.net.blip.visual_encoder(pixels.to(weight.dtype))

    def judge(self, encoded: torch.Tensor, prompts: Sequence[str]) -> torch.Tensor:
        return self.look(encoded, prompts).scores

    def look(self, encoded: torch.Tensor, prompts: Sequence[str]) -> Reading:
        tokens, present = self.tokenizer(prompts)
        longest = int(present.sum(1).max())
        tokens, present = (rows[:, :longest].to(encoded.device) for rows in (tokens, present))
        raw, features = self.net.judge(encoded, tokens, present)
        scores = (raw.float().cpu() - self.settings.score_mean) / self.settings.score_std
        return Reading(scores, features.float().cpu())

    def count_tokens(self, prompt: str) -> int:
        return self.tokenizer.count(prompt)


def recognises(shapes: Shapes) -> bool:
    """Whether a file's keys are those of this form."""
    return all(any(key.startswith(prefix) for key in shapes) for prefix in (VISION, TEXT, HEAD))


def build(state: State, metadata: Mapping[str, str], operations: Any, dtype: torch.dtype) -> BlipReward:
    """The estimator a file holds; ValueError where a weight is missing, unknown or of another shape."""
    settings = Settings.of(state, metadata)
    heads, eps = (settings.vision_heads, settings.text_heads), (settings.vision_eps, settings.text_eps)

    def network(weights: State) -> RewardNet:
        config = read_config(weights, heads, eps)
        _check_fit(settings, config)
        return RewardNet(config, operations)

    used = {key: tensor for key, tensor in state.items() if not key.startswith(UNUSED)}
    return BlipReward(fill(network, used, dtype, "the estimator"), settings)


def _check_fit(settings: Settings, config: RewardConfig) -> None:
    """ValueError where the settings are of a network of another size."""
    vision, text = config.vision, config.text
    if vision.width % vision.heads or text.width % text.heads:
        raise ValueError(f"{vision.heads} and {text.heads} heads do not divide {vision.width} and {text.width}")
    if settings.max_length > text.positions or len(settings.vocabulary) > text.vocabulary:
        raise ValueError(f"it reads {text.positions} tokens of {text.vocabulary} words")
