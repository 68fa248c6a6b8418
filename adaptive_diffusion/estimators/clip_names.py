"""One naming for CLIP's weights: open_clip's and OpenAI's names become those of transformers' CLIPModel."""

import re
from collections.abc import Iterator

import torch

from ..reading import told
from .weights import State

BLOCK = re.compile(r"(visual\.)?transformer\.resblocks\.(\d+)\.(.+)")
IN_BLOCK = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
OUTSIDE = {
    "logit_scale": "logit_scale",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
}
TRANSPOSED = {"text_projection": "text_projection.weight", "visual.proj": "visual_projection.weight"}
NOT_WEIGHTS = ("position_ids", "attn_mask", "input_resolution", "context_length", "vocab_size")


def transformers_names(state: State) -> dict[str, torch.Tensor]:
    """The same weights under CLIPModel's names; names that are not known stay. Buffers and sizes are left out.

    ValueError where query, key and value cannot be told apart.
    """
    weights = {key: tensor for key, tensor in state.items() if not key.endswith(NOT_WEIGHTS)}
    with told("CLIP's weights do not fit together; download the file again"):
        return {name: part for key, tensor in weights.items() for name, part in _renamed(key, tensor)}


def _renamed(key: str, tensor: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    if block := BLOCK.fullmatch(key):
        tower = "vision_model" if block[1] else "text_model"
        yield from _block_weights(f"{tower}.encoder.layers.{block[2]}.", block[3], tensor)
    elif key in TRANSPOSED:
        yield TRANSPOSED[key], tensor.T.contiguous()
    else:
        yield OUTSIDE.get(key, key), tensor


def _block_weights(layer: str, name: str, tensor: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    """One weight of a transformer block; query, key and value lie one above the other in attn.in_proj_*."""
    part, _, kind = name.rpartition(".")
    if name.startswith("attn.in_proj_"):
        kind = name.removeprefix("attn.in_proj_")
        for letter, rows in zip("qkv", tensor.chunk(3), strict=False):
            yield f"{layer}self_attn.{letter}_proj.{kind}", rows
    else:
        yield f"{layer}{IN_BLOCK.get(part, part)}.{kind}", tensor
