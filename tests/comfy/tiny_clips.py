"""Tiny text encoders of ComfyUI's own classes, made as Load CLIP makes them, of transformers' weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import comfy.sd
import comfy.text_encoders.qwen3vl as qwen3vl
import torch
from tiny_vlm import HEADS, TEXT, VISION

TOKENIZER = Path(comfy.sd.__file__).parent / "text_encoders" / "qwen25_tokenizer"
TYPES_8B = ("STABLE_DIFFUSION", "QWEN_IMAGE", "IDEOGRAM4", "BOOGU", "JOYIMAGE")
TYPES_4B = ("STABLE_DIFFUSION", "KREA2", "MAGE")


def tiny_clip(weights: Mapping[str, torch.Tensor] | Path, clip_type: str = "QWEN_IMAGE", size: str = "8b") -> Any:
    """The CLIP that Load CLIP makes of a tiny Qwen3-VL's weights, or of a file with them, for a type.

    The file of a 4B is told from that of an 8B by its width, which a tiny one has not; size says it.
    """
    model = f"qwen3vl_{size}"
    settings = {"clip_type": comfy.sd.CLIPType[clip_type], "model_options": {f"{model}_model_config": TEXT}}
    with _tiny_vision(model), _told_apart(size):
        if isinstance(weights, Path):
            return comfy.sd.load_clip([str(weights)], **settings)
        return comfy.sd.load_text_encoder_state_dicts([dict(weights)], **settings)


@contextmanager
def _tiny_vision(model: str) -> Iterator[None]:
    before = qwen3vl.QWEN3VL_VISION[model], dict(qwen3vl.QWEN3VL_VISION_COMMON)
    qwen3vl.QWEN3VL_VISION[model] = VISION
    qwen3vl.QWEN3VL_VISION_COMMON["num_heads"] = HEADS
    try:
        yield
    finally:
        qwen3vl.QWEN3VL_VISION[model] = before[0]
        qwen3vl.QWEN3VL_VISION_COMMON.update(before[1])


@contextmanager
def _told_apart(size: str) -> Iterator[None]:
    found = comfy.sd.detect_te_model
    if size == "4b":
        comfy.sd.detect_te_model = lambda state: comfy.sd.TEModel.QWEN3VL_4B
    try:
        yield
    finally:
        comfy.sd.detect_te_model = found
