"""Quality estimators: networks that say how good an image is for its prompt."""

from pathlib import Path
from typing import Any

import torch

from ..quoting import quoted
from . import blip_reward, clip_scores
from .base import Estimator
from .heads import refuse_heads
from .weights import EXTENSIONS, Shapes, read, shapes

__all__ = ["DTYPES", "EXTENSIONS", "Estimator", "kind_of", "load"]
DTYPES = {"float32": torch.float32, "float16": torch.float16}


def load(
    path: str | Path,
    operations: Any = torch.nn,
    dtype: str = "float32",
    clip_tokenizer: Path | None = None,
    clip_vision: Path | None = None,
) -> Estimator:
    """Open an estimator's file; its kind is told from its keys and its sizes from its tensors.

    operations: where Linear, LayerNorm, Embedding and Conv2d come from, for hosts with layers of their own.
    dtype: what it computes in, one of DTYPES. clip_tokenizer: folder of CLIP's vocabulary, for estimators built on it.
    clip_vision: file of CLIP ViT-L/14's image encoder, for the LAION aesthetic predictor.
    FileNotFoundError without the file; ValueError where it is damaged or not an estimator.
    """
    path = Path(path)
    state, metadata = read(path)
    kind = _kind(path.name, {key: tuple(tensor.shape) for key, tensor in state.items()})
    if kind == blip_reward.KIND:
        return blip_reward.build(state, metadata, operations, DTYPES[dtype])
    vision = read(clip_vision)[0] if clip_vision else None
    return clip_scores.build(kind, state, clip_tokenizer, vision, DTYPES[dtype])


def kind_of(path: Path) -> str:
    """What a file is told to be by its keys, without reading its weights; ValueError where it is no estimator."""
    return _kind(path.name, shapes(path))


def _kind(name: str, found: Shapes) -> str:
    if blip_reward.recognises(found):
        return blip_reward.KIND
    if kind := clip_scores.recognises(found):
        return kind
    refuse_heads(name, found)
    raise ValueError(
        f"{quoted(name)} is not a quality estimator; expected the weights of ImageReward, CycleReward, HPSv2.1, "
        f"PickScore, CLIP ViT-L/14 or the LAION aesthetic predictor, found {quoted(next(iter(found), 'none'))}"
    )
