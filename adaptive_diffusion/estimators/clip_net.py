"""CLIP (arXiv 2103.00020) in transformers' modules, with the sizes that a file's weights have."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from .clip_names import transformers_names
from .filling import fill
from .vit import count_layers
from .weights import State

PROJECTIONS = {"vision": "visual_projection", "text": "text_projection"}
IMAGE_TOWER = ("vision_model.", "visual_projection.")


@dataclass(frozen=True)
class Form:
    """What CLIP's weights do not tell: attention heads and the name of the activation."""

    vision_heads: int
    text_heads: int
    activation: str


VIT_L = Form(vision_heads=16, text_heads=12, activation="quick_gelu")
VIT_H = Form(vision_heads=16, text_heads=16, activation="gelu")


def read_clip(state: State, form: Form, dtype: torch.dtype) -> Any:
    """A transformers CLIPModel with the weights of `state`, computing in `dtype`.

    state: under the names of CLIPModel, open_clip or OpenAI.
    ValueError where a weight is missing, unknown or misshaped.
    """
    from transformers import CLIPConfig, CLIPModel

    def towers(named: State) -> nn.Module:
        text, vision = _text_sizes(named, form), _vision_sizes(named, form)
        return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=vision["projection_dim"]))

    return _with_positions(fill(towers, transformers_names(state), dtype, "CLIP"))


def read_image_tower(state: State, form: Form, dtype: torch.dtype) -> Any:
    """A transformers CLIPVisionModelWithProjection; other weights in `state` are left out. Otherwise as `read_clip`."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    def tower(named: State) -> nn.Module:
        return CLIPVisionModelWithProjection(CLIPVisionConfig(**_vision_sizes(named, form)))

    named = {key: tensor for key, tensor in transformers_names(state).items() if key.startswith(IMAGE_TOWER)}
    return _with_positions(fill(tower, named, dtype, "CLIP"))


def embed_images(clip: Any, images: torch.Tensor, prepare: Callable[[torch.Tensor, int], torch.Tensor]) -> torch.Tensor:
    """Embeddings (B, D) of length 1, float32, of images (B, H, W, 3), floats 0..1.

    prepare: images and the network's side in pixels to normalised pixels (B, 3, side, side); see `clip_preprocess`.
    """
    weight = clip.visual_projection.weight
    pixels = prepare(images.to(weight.device), clip.vision_model.embeddings.image_size)
    return _unit(clip.visual_projection(clip.vision_model(pixels.to(weight.dtype)).pooler_output))


def embed_texts(clip: Any, tokens: torch.Tensor) -> torch.Tensor:
    """Embeddings (B, D) of length 1, float32, of token ids (B, L)."""
    tokens = tokens.to(clip.text_projection.weight.device)
    return _unit(clip.text_projection(clip.text_model(tokens).pooler_output))


def _unit(embeddings: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(embeddings.float(), dim=-1)


def _vision_sizes(state: State, form: Form) -> dict[str, Any]:
    width, _, patch, _ = state["vision_model.embeddings.patch_embedding.weight"].shape
    positions = len(state["vision_model.embeddings.position_embedding.weight"])
    size = {"image_size": round((positions - 1) ** 0.5) * patch, "patch_size": patch}
    return _tower_sizes(state, "vision", width, form.vision_heads, form) | size


def _text_sizes(state: State, form: Form) -> dict[str, Any]:
    """The end token is the last one of CLIP's vocabulary; the text's embedding is read at its first place."""
    vocabulary, width = state["text_model.embeddings.token_embedding.weight"].shape
    positions = len(state["text_model.embeddings.position_embedding.weight"])
    ends = {"bos_token_id": vocabulary - 2, "eos_token_id": vocabulary - 1}
    size = {"vocab_size": vocabulary, "max_position_embeddings": positions}
    return _tower_sizes(state, "text", width, form.text_heads, form) | size | ends


def _tower_sizes(state: State, tower: str, width: int, heads: int, form: Form) -> dict[str, Any]:
    layers = f"{tower}_model.encoder.layers."
    return {
        "hidden_size": width,
        "num_attention_heads": heads,
        "hidden_act": form.activation,
        "num_hidden_layers": count_layers(state, layers),
        "intermediate_size": len(state[f"{layers}0.mlp.fc1.weight"]),
        "projection_dim": len(state[f"{PROJECTIONS[tower]}.weight"]),
    }


def _with_positions(module: nn.Module) -> nn.Module:
    """Number the buffers that no file holds: CLIP has position_ids only."""
    for name, buffer in list(module.named_buffers()):
        owner, _, leaf = name.rpartition(".")
        places = torch.arange(buffer.shape[-1])[None]
        module.get_submodule(owner).register_buffer(leaf, places, persistent=False)
    return module
