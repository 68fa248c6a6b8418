"""Random weights in the key layout of ImageReward and CycleReward, the same on every machine."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy

from .bits import uniform

HEADS = {"ImageReward": (0, 2, 4, 6, 7), "CycleReward": (0, 2, 4, 6, 8)}
HEAD_WIDTHS = (1024, 128, 64, 16, 1)
VISION = "blip.visual_encoder."
TEXT = "blip.text_encoder."
TOKEN = 0.02
BIAS = 0.05
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Sizes:
    """Widths and counts; `image` and `patch` in pixels; feed-forward layers are four times as wide as their input."""

    vision: int
    vision_layers: int
    text: int
    text_layers: int
    image: int
    positions: int
    patch: int = 16
    words: int = 30524


FULL = Sizes(vision=1024, vision_layers=24, text=768, text_layers=12, image=224, positions=512)
TINY = Sizes(vision=64, vision_layers=2, text=48, text_layers=2, image=32, positions=128)


def make(sizes: Sizes, kind: str) -> dict[str, numpy.ndarray]:
    """Every weight that scoring needs, float32, by its published name; kind: a key of HEADS."""
    state = {key: TOKEN * uniform(key, shape) for key, shape in token_shapes(sizes).items()}
    for name, shape in layer_shapes(sizes, kind).items():
        state[f"{name}.weight"] = _weight(f"{name}.weight", shape)
        state[f"{name}.bias"] = BIAS * uniform(f"{name}.bias", shape[:1])
    return {key: values.astype(numpy.float32) for key, values in state.items()}


def _weight(key: str, shape: tuple[int, ...]) -> numpy.ndarray:
    """Norms are near 1 and layers keep the size of what they read, but patches are as small as the other tokens.

    Small tokens, as in trained networks, are what makes the epsilon of a norm visible.
    """
    values = uniform(key, shape)
    if len(shape) == 1:
        return 1 + 0.1 * values
    gain = TOKEN if "patch_embed" in key else 1.0
    return values * (gain / numpy.prod(shape[1:]) ** 0.5)


def token_shapes(sizes: Sizes) -> Shapes:
    """Weights that stand alone."""
    return {
        f"{VISION}cls_token": (1, 1, sizes.vision),
        f"{VISION}pos_embed": (1, 1 + (sizes.image // sizes.patch) ** 2, sizes.vision),
        f"{TEXT}embeddings.word_embeddings.weight": (sizes.words, sizes.text),
        f"{TEXT}embeddings.position_embeddings.weight": (sizes.positions, sizes.text),
    }


def layer_shapes(sizes: Sizes, kind: str) -> Shapes:
    """Weight shapes of all layers; each has a bias as long as the first number."""
    head = dict(zip(HEADS[kind], zip(HEAD_WIDTHS, (sizes.text, *HEAD_WIDTHS), strict=False), strict=True))
    return {
        f"{VISION}patch_embed.proj": (sizes.vision, 3, sizes.patch, sizes.patch),
        **_numbered(f"{VISION}blocks.", sizes.vision_layers, _block(sizes.vision)),
        f"{VISION}norm": (sizes.vision,),
        f"{TEXT}embeddings.LayerNorm": (sizes.text,),
        **_numbered(f"{TEXT}encoder.layer.", sizes.text_layers, _text_layer(sizes.text, sizes.vision)),
        **{f"mlp.layers.{place}": shape for place, shape in head.items()},
    }


def _numbered(prefix: str, count: int, shapes: Shapes) -> Shapes:
    return {f"{prefix}{i}.{name}": shape for i in range(count) for name, shape in shapes.items()}


def _block(width: int) -> Shapes:
    linear = {"attn.qkv": (3 * width, width), "attn.proj": (width, width)}
    hidden = {"mlp.fc1": (4 * width, width), "mlp.fc2": (width, 4 * width)}
    return {"norm1": (width,), **linear, "norm2": (width,), **hidden}


def _text_layer(width: int, vision: int) -> Shapes:
    hidden = {"intermediate.dense": (4 * width, width), "output.dense": (width, 4 * width)}
    attention = {**_attention("attention.", width, width), **_attention("crossattention.", width, vision)}
    return {**attention, **hidden, "output.LayerNorm": (width,)}


def _attention(at: str, width: int, source: int) -> Shapes:
    inputs = {"self.query": width, "self.key": source, "self.value": source, "output.dense": width}
    return {**{at + name: (width, size) for name, size in inputs.items()}, f"{at}output.LayerNorm": (width,)}


def digest(state: Mapping[str, numpy.ndarray]) -> str:
    """sha256 of all weights, to tell another generator from another network."""
    total = hashlib.sha256()
    for key in sorted(state):
        total.update(key.encode() + state[key].tobytes())
    return total.hexdigest()
