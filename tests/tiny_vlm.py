"""A Qwen3-VL of random weights, a few layers deep and narrow, as Hugging Face has it."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch

VOCABULARY, WIDTH, LAYERS = 151_936, 64, 4
TEXT = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": 96,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
VISION = {"hidden_size": 64, "intermediate_size": 96, "depth": 4, "deepstack_visual_indexes": [0, 1, 2]}
HEADS = 4
ANSWERS = [9454, 2753, 9693, 2152]
PROCESSOR = {
    "image_processor_type": "Qwen2VLImageProcessorFast",
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "size": {"shortest_edge": 65536, "longest_edge": 16777216},
}


def tiny_config(tied: bool = False) -> Any:
    import transformers

    text = {**TEXT, "head_dim": 128, "rope_parameters": _rope(), "max_position_embeddings": 262144}
    vision = {**VISION, "num_heads": HEADS, "out_hidden_size": WIDTH, "patch_size": 16}
    return transformers.Qwen3VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=tied)


def tiny_model(tied: bool = False, answering: bool = True, seed: int = 1) -> Any:
    """transformers' model. answering: it says Yes or No, as a plain random one never does; not with a tied head."""
    import transformers

    torch.manual_seed(seed)
    model = transformers.Qwen3VLForConditionalGeneration(tiny_config(tied)).eval().requires_grad_(False)
    noise = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        spread = 1.0 if "embed" in name else 0.4 if weight.ndim > 1 else 0.05
        scale = "norm" in name and name.endswith("weight")
        weight.copy_(torch.randn(weight.shape, generator=noise) * spread + scale)
    if tied:
        model.model.language_model.norm.weight.mul_(0.4)
    elif answering:
        _answer(model)
    return model


def _answer(model: Any) -> None:
    """Every token carries a number of which the head makes a Yes or No."""
    language, head = model.model.language_model, model.lm_head.weight
    for layer in language.layers:
        layer.self_attn.o_proj.weight.mul_(0.3)
        layer.mlp.down_proj.weight.mul_(0.3)
    language.embed_tokens.weight[:, 0] = 40.0
    language.norm.weight.mul_(0.15)
    head[:, 0] = 0.0
    head[ANSWERS] *= 5
    head[ANSWERS, 0] = torch.tensor([40.0, 40.0, 35.0, 35.0])


def _rope() -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": 5e6, "mrope_section": [24, 20, 20], "mrope_interleaved": True}


def save_folder(model: Any, folder: Path, tokenizer: Path) -> Path:
    """The model as a folder of Hugging Face's. tokenizer: folder of Qwen's."""
    model.save_pretrained(folder)
    for path in tokenizer.iterdir():
        shutil.copy(path, folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    return folder
