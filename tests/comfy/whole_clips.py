"""Text encoders as Load CLIP makes them of files, of ComfyUI's own classes in full size, without their weights."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import comfy.sd
import torch

META = torch.device("meta")
GEMMA = {"model.layers.0.post_feedforward_layernorm.weight": (1,)}
GEMMA_3 = GEMMA | {"model.layers.0.self_attn.q_norm.weight": (1,)}
FILES: dict[str, dict[str, tuple[int, ...]]] = {
    "Qwen2.5-VL 7B": {"model.layers.0.self_attn.k_proj.bias": (512,)},
    "Qwen2.5-VL 3B": {"model.layers.0.self_attn.k_proj.bias": (256,)},
    **{
        f"Qwen3.5 {size}": {
            "model.language_model.layers.0.linear_attn.A_log": (1,),
            "model.language_model.layers.0.input_layernorm.weight": (width,),
        }
        for size, width in (("0.8B", 1024), ("2B", 2048), ("4B", 2560), ("9B", 4096), ("27B", 5120))
    },
    "Qwen3-VL 32B": {
        "visual.deepstack_merger_list.0.norm.weight": (1,),
        "model.layers.49.self_attn.q_proj.weight": (1,),
    },
    **{
        f"Qwen3-VL {size}": {
            "model.visual.deepstack_merger_list.0.norm.weight": (1,),
            "model.visual.merger.linear_fc2.weight": (width, 1),
        }
        for size, width in (("4B", 2560), ("8B", 4096))
    },
    **{
        f"Qwen3 {size}": {
            "model.layers.0.post_attention_layernorm.weight": (width,),
            "model.layers.0.self_attn.q_norm.weight": (1,),
        }
        for size, width in (("0.6B", 1024), ("4B", 2560), ("8B", 4096))
    },
    **{
        f"Gemma 4 {size}": GEMMA | {f"model.layers.{last}.self_attn.q_norm.weight": (1,)}
        for size, last in (("E2B", 34), ("E4B", 41), ("12B", 47), ("31B", 59))
    },
    "Gemma 3 4B with vision": GEMMA_3 | {"vision_model.embeddings.patch_embedding.weight": (1,)},
    "Gemma 3 4B": GEMMA_3,
    "Ministral": {"model.layers.0.post_attention_layernorm.weight": (3072,)},
    "Mistral": {"model.layers.0.post_attention_layernorm.weight": (5120,)},
    "GPT-OSS": {"layers.0.self_attn.sinks": (1,), "layers.0.mlp.experts.gate_up_proj.weight": (1,)},
    "T5": {"encoder.block.23.layer.1.DenseReluDense.wi_1.weight": (10240,)},
    "CLIP-L": {"text_model.encoder.layers.0.mlp.fc1.weight": (1,)},
    "CLIP-G": {"text_model.encoder.layers.30.mlp.fc1.weight": (1,)},
}
"""The weights that ComfyUI tells a file by, and their shapes as far as it looks at them."""


class Empty(comfy.sd.CLIP):
    """Takes no weights, and has no words, for which some files bring their own."""

    def __init__(self, target: Any, **options: Any):
        target.tokenizer = lambda **_: SimpleNamespace()
        super().__init__(target, **options)

    def load_sd(self, *_: Any, **__: Any) -> tuple[list, list]:
        return [], []


def whole_clip(clip_type: str, *files: str) -> Any:
    """What Load CLIP makes, for a type, of files of FILES."""
    states = [{name: torch.empty(shape, device=META) for name, shape in FILES[file].items()} for file in files]
    with patch.object(comfy.sd, "CLIP", Empty):
        return comfy.sd.load_text_encoder_state_dicts(
            states, clip_type=comfy.sd.CLIPType[clip_type], model_options={"initial_device": META}
        )
