"""Random weights of a tiny CLIP under open_clip's names, the same on every machine."""

import numpy

from .bits import uniform
from .weights import Shapes

IMAGE, PATCH, WORDS, LENGTH = 32, 8, 49408, 77
VISION, TEXT, LAYERS, EMBEDDING = 64, 48, 2, 40


def make() -> dict[str, numpy.ndarray]:
    """Every weight of the two towers, float32."""
    return {key: _values(key, shape).astype(numpy.float32) for key, shape in shapes().items()}


def shapes() -> Shapes:
    """All weight shapes by name."""
    places = 1 + (IMAGE // PATCH) ** 2
    return {
        "logit_scale": (),
        "token_embedding.weight": (WORDS, TEXT),
        "positional_embedding": (LENGTH, TEXT),
        "text_projection": (TEXT, EMBEDDING),
        **_norm("ln_final", TEXT),
        **_blocks("transformer.resblocks", TEXT),
        "visual.class_embedding": (VISION,),
        "visual.positional_embedding": (places, VISION),
        "visual.proj": (VISION, EMBEDDING),
        "visual.conv1.weight": (VISION, 3, PATCH, PATCH),
        **_norm("visual.ln_pre", VISION),
        **_norm("visual.ln_post", VISION),
        **_blocks("visual.transformer.resblocks", VISION),
    }


def _values(key: str, shape: tuple[int, ...]) -> numpy.ndarray:
    """Norms are near 1, layers keep the size of what they read, all else is of a size with the tokens."""
    values = uniform(f"clip {key}", shape)
    if "ln_" in key and key.endswith("weight"):
        return 1 + 0.1 * values
    inputs = shape[0] if key.endswith("proj") or key == "text_projection" else numpy.prod(shape[1:])
    return values * (0.3 if len(shape) < 2 or "embedding" in key else 1.5 / inputs**0.5)


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _linear(name: str, width: int, inputs: int) -> Shapes:
    return {f"{name}.weight": (width, inputs), f"{name}.bias": (width,)}


def _blocks(prefix: str, width: int) -> Shapes:
    block = {
        **_norm("ln_1", width),
        "attn.in_proj_weight": (3 * width, width),
        "attn.in_proj_bias": (3 * width,),
        **_linear("attn.out_proj", width, width),
        **_norm("ln_2", width),
        **_linear("mlp.c_fc", 4 * width, width),
        **_linear("mlp.c_proj", width, 4 * width),
    }
    return {f"{prefix}.{i}.{name}": shape for i in range(LAYERS) for name, shape in block.items()}
