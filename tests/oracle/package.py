"""The real image-reward 1.5 and cyclereward 0.1.7, without a download; runs in the oracle's environment only."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import numpy
import torch
from PIL import Image

from .weights import FULL, Sizes, make

VOCABULARY = Path(__file__).parents[2] / "adaptive_diffusion/estimators/bert-base-uncased-vocab.txt"
FILES = {"ImageReward": "ImageReward.pt", "CycleReward": "CycleReward-Combo.pth"}
MODULES = {
    "ImageReward": ("ImageReward.ImageReward", "ImageReward.models.BLIP.blip_pretrain"),
    "CycleReward": ("cyclereward.model", "cyclereward.blip.blip_pretrain"),
}
VISION_HEADS, TEXT_HEADS = 16, 12
Score = Callable[[numpy.ndarray, str], float]

# What image-reward imports and scoring never calls: `clip`, which it does not declare, and its training code.
for name in ("clip", "ImageReward.ReFL"):
    sys.modules.setdefault(name, ModuleType(name))


def settle(folder: Path) -> None:
    """Make `folder` the working folder, with the vocabulary where transformers looks for bert-base-uncased first."""
    words = folder / "bert-base-uncased"
    words.mkdir(parents=True, exist_ok=True)
    (words / "vocab.txt").write_bytes(VOCABULARY.read_bytes())
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.chdir(folder)


def med_config(sizes: Sizes) -> dict:
    """The settings of the text encoder as BLIP publishes them (configs/med_config.json), for these sizes."""
    return {
        "architectures": ["BertModel"], "model_type": "bert", "hidden_act": "gelu", "initializer_range": 0.02,
        "attention_probs_dropout_prob": 0.1, "hidden_dropout_prob": 0.1, "layer_norm_eps": 1e-12, "pad_token_id": 0,
        "add_type_embeddings": False, "add_cross_attention": True, "encoder_width": 768,
        "num_attention_heads": TEXT_HEADS, "num_hidden_layers": sizes.text_layers, "vocab_size": sizes.words,
        "hidden_size": sizes.text, "intermediate_size": 4 * sizes.text, "max_position_embeddings": sizes.positions,
    }  # fmt: skip


def unused(sizes: Sizes) -> dict[str, torch.Tensor]:
    """What published files hold besides and scoring never reads."""
    return {
        "blip.vision_proj.weight": torch.zeros(256, sizes.vision), "blip.vision_proj.bias": torch.zeros(256),
        "blip.text_proj.weight": torch.zeros(256, sizes.text), "blip.text_proj.bias": torch.zeros(256),
        "blip.text_encoder.embeddings.position_ids": torch.arange(sizes.positions)[None],
    }  # fmt: skip


def save(kind: str, sizes: Sizes) -> dict[str, numpy.ndarray]:
    """Write the files that the package loads into the working folder; returns the weights that count."""
    state = make(sizes, kind)
    torch.save({key: torch.from_numpy(value) for key, value in state.items()} | unused(sizes), FILES[kind])
    Path("med_config.json").write_text(json.dumps(med_config(sizes)))
    return state


def load(kind: str, sizes: Sizes) -> Score:
    """The package's own scoring of one image (height, width, 3), uint8, for one prompt, from what `save` wrote."""
    with ExitStack() as changes:
        if sizes != FULL:
            _shrink(kind, sizes, changes)
        opened = OPENERS[kind]()
    model = opened[0] if isinstance(opened, tuple) else opened
    missing = model.state_dict().keys() ^ torch.load(FILES[kind], weights_only=True, mmap=True).keys()
    assert not missing and not model.training, missing
    return SCORERS[kind](model)


def _shrink(kind: str, sizes: Sizes, changes: ExitStack) -> None:
    """The package fixes its widths in the code: give its classes others."""
    model, blip = map(import_module, MODULES[kind])
    vision = import_module(blip.__package__ + ".vit").VisionTransformer(
        img_size=sizes.image, patch_size=sizes.patch, embed_dim=sizes.vision, depth=sizes.vision_layers,
        num_heads=VISION_HEADS,
    )  # fmt: skip
    head, transform = model.MLP(sizes.text), model._transform(sizes.image)
    changes.enter_context(patch.object(blip, "create_vit", lambda *_: (vision, sizes.vision)))
    changes.enter_context(patch.object(model, "MLP", lambda _: head))
    changes.enter_context(patch.object(model, "_transform", lambda _: transform))


def _open_image_reward() -> torch.nn.Module:
    return import_module("ImageReward.utils").load(FILES["ImageReward"], device="cpu", med_config="med_config.json")


def _open_cycle_reward() -> tuple:
    """Its weights hold all of BLIP, which it would download first."""
    model = import_module("cyclereward.model")
    with patch.dict(model.cyclereward_args, {"blip_path": ""}):
        return model.cyclereward(device="cpu", cache_dir=".")


def _image_reward_scorer(model: torch.nn.Module) -> Score:
    return lambda image, prompt: model.score(prompt, Image.fromarray(image))


def _cycle_reward_scorer(model: torch.nn.Module) -> Score:
    return lambda image, prompt: model.score(model.preprocess(Image.fromarray(image))[None], prompt).item()


OPENERS = {"ImageReward": _open_image_reward, "CycleReward": _open_cycle_reward}
SCORERS = {"ImageReward": _image_reward_scorer, "CycleReward": _cycle_reward_scorer}


@torch.no_grad()
def table(score: Score, images: Sequence[numpy.ndarray], prompts: Sequence[str]) -> list[list[float]]:
    """Scores of every image for every prompt, one at a time as the packages do."""
    return [[score(image, prompt) for prompt in prompts] for image in images]


def tokenizer(kind: str = "ImageReward"):
    """transformers' slow BertTokenizer with the two tokens that BLIP adds."""
    return import_module(MODULES[kind][1]).init_tokenizer()
