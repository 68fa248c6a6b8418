"""Estimators that rest on CLIP: PickScore, HPSv2.1, CLIPScore and LAION aesthetic v2."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

import torch

from ..quoting import quoted
from .base import Estimator, Reading
from .clip_aesthetic import Aesthetic
from .clip_net import VIT_H, VIT_L, embed_images, embed_texts, read_clip
from .clip_preprocess import crop_low, pad_whole
from .clip_tokens import ClipTokenizer, OpenClipTokenizer
from .weights import Shapes, State

HF_VISION = "vision_model.embeddings.patch_embedding.weight"
HF_TEXT = "text_model.embeddings.token_embedding.weight"
HF_PLACES = "vision_model.embeddings.position_embedding.weight"
VISION, TEXT, PLACES = "visual.conv1.weight", "token_embedding.weight", "visual.positional_embedding"
H_PATCH, L_PATCH, L_PLACES = (1280, 3, 14, 14), (1024, 3, 14, 14), (257, 1024)
H_WORDS, L_WORDS = (49408, 1024), (49408, 768)
SIGNS: list[tuple[str, Shapes]] = [
    ("PickScore", {HF_VISION: H_PATCH, HF_TEXT: H_WORDS}),
    ("HPSv2.1", {VISION: H_PATCH, TEXT: H_WORDS}),
    ("CLIPScore", {HF_VISION: L_PATCH, HF_TEXT: L_WORDS, HF_PLACES: L_PLACES}),
    ("CLIPScore", {VISION: L_PATCH, TEXT: L_WORDS, PLACES: L_PLACES}),
    (Aesthetic.name, {"layers.0.weight": (1024, 768), "layers.7.weight": (1, 16)}),
]


class Similarity(Estimator):
    """A score that grows with the cosine between CLIP's embeddings of image and prompt.

    prefix: comes before every prompt. words: splits it. prepare: images to the network's pixels.
    """

    form = VIT_H
    prefix = ""
    words: type[ClipTokenizer] = ClipTokenizer
    prepare = staticmethod(crop_low)

    def __init__(self, state: State, folder: Path, dtype: torch.dtype):
        """state: CLIP's weights. folder: of its tokenizer."""
        self.tokenizer = self.words(folder)
        self.clip = read_clip(state, self.form, dtype)
        text = self.clip.config.text_config
        self.max_tokens = text.max_position_embeddings
        width = self.clip.config.projection_dim
        self.feature_names = f"image embedding {width}, text embedding {width}"
        if len(self.tokenizer) != text.vocab_size:
            raise ValueError(
                f"the tokenizer in {quoted(folder)} has {len(self.tokenizer)} words and {self.name}'s weights have "
                f"{text.vocab_size}; name the folder of CLIP's own tokenizer"
            )
        super().__init__(self.clip)

    @abstractmethod
    def rate(self, cosine: torch.Tensor) -> torch.Tensor:
        """Scores of cosines -1..1, both (N,)."""

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        return embed_images(self.clip, images, self.prepare)

    def judge(self, encoded: torch.Tensor, prompts: Sequence[str]) -> torch.Tensor:
        return self.look(encoded, prompts).scores

    def look(self, encoded: torch.Tensor, prompts: Sequence[str]) -> Reading:
        place = {prompt: i for i, prompt in enumerate(dict.fromkeys(prompts))}
        texts = embed_texts(self.clip, self.tokenizer([self.prefix + prompt for prompt in place], self.max_tokens))
        images = encoded.repeat_interleave(len(prompts) // len(encoded), dim=0)
        texts = texts[[place[prompt] for prompt in prompts]]
        cosine = (images * texts).sum(-1)
        return Reading(self.rate(cosine).cpu(), torch.cat([images, texts], 1).cpu())

    def count_tokens(self, prompt: str) -> int:
        return self.tokenizer.count(self.prefix + prompt)


class PickScore(Similarity):
    """PickScore v1 (arXiv 2305.01569): the cosine times exp(logit_scale), which is about 100."""

    name = "PickScore"
    relative = True

    def __init__(self, state: State, folder: Path, dtype: torch.dtype):
        super().__init__(state, folder, dtype)
        self.scale = state["logit_scale"].float().exp().item()

    def rate(self, cosine: torch.Tensor) -> torch.Tensor:
        return self.scale * cosine


class HumanPreference(Similarity):
    """HPSv2.1 (arXiv 2306.09341): the cosine; the whole image counts, as nothing is cut off."""

    name = "HPSv2.1"
    relative = True
    words = OpenClipTokenizer
    prepare = staticmethod(pad_whole)

    def rate(self, cosine: torch.Tensor) -> torch.Tensor:
        return cosine


class ClipScore(Similarity):
    """CLIPScore (arXiv 2104.08718), here with ViT-L/14 and transformers' processing: 2.5 times a positive cosine."""

    name = "CLIPScore"
    form = VIT_L
    prefix = "A photo depicts "

    def rate(self, cosine: torch.Tensor) -> torch.Tensor:
        return 2.5 * cosine.clamp(min=0)


SIMILARITIES: dict[str, type[Similarity]] = {kind.name: kind for kind in (PickScore, HumanPreference, ClipScore)}


def recognises(shapes: Shapes) -> str | None:
    """The estimator whose names and sizes a file's tensors have, or None."""
    return next((kind for kind, signs in SIGNS if all(_has(shapes, key, signs[key]) for key in signs)), None)


def _has(shapes: Shapes, key: str, shape: tuple[int, ...]) -> bool:
    return tuple(shapes.get(key, ())) == shape


def build(
    kind: str,
    state: State,
    tokenizer_folder: Path | None,
    clip_vision_state: State | None,
    dtype: torch.dtype,
) -> Estimator:
    """The estimator `kind` (a name that `recognises` gives) with the weights of `state`, computing in `dtype`.

    tokenizer_folder: with CLIP's vocab.json and merges.txt.
    clip_vision_state: of CLIP ViT-L/14, which the LAION predictor rests on.
    ValueError where a file is not given, or a weight is missing, unknown or misshaped.
    """
    if kind == Aesthetic.name:
        return Aesthetic(state, clip_vision_state, dtype)
    if tokenizer_folder is None:
        raise ValueError(f"{kind} needs CLIP's tokenizer and none was given; name a folder with its vocab.json")
    return SIMILARITIES[kind](state, tokenizer_folder, dtype)
