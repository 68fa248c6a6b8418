"""CLIP's tokenizer with the vocabulary that ComfyUI ships, against open_clip's and transformers' own."""

import json
import os
import shutil
from importlib import import_module
from pathlib import Path

import pytest
import torch
from oracle import clip_prompts, clip_weights, images, prompts
from oracle.clip_goldens import SCORES, TOKENS
from oracle.goldens import ids_digest, texts_digest

from .tools import module

FOLDER = Path(os.environ["COMFYUI_PATH"]) / "comfy/sd1_tokenizer"
GOLDENS = json.loads(TOKENS.read_text())
LENGTH = 77


def estimators(name: str):
    """A module of the pack's estimators, as ComfyUI loaded the pack."""
    return import_module(f"{module('adaptive_diffusion.estimators').__name__}.{name}")


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The two files of the vocabulary without ComfyUI's settings beside them."""
    folder = tmp_path_factory.mktemp("bare")
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(FOLDER / name, folder)
    return folder


@pytest.fixture(scope="module")
def texts():
    fuzzed = clip_prompts.fuzzed()
    assert texts_digest(fuzzed) == GOLDENS["prompts"], "other prompts; run tests/oracle/clip_goldens.py again"
    return fuzzed


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr("socket.socket.connect", refuse)


@pytest.mark.parametrize(("kind", "unknown"), [("ClipTokenizer", 0), ("OpenClipTokenizer", 16)])
@pytest.mark.parametrize("place", ["comfyui", "bare"])
def test_ids_are_those_of_the_original(kind, unknown, place, bare, texts, no_network):
    tokenizer = getattr(estimators("clip_tokens"), kind)(FOLDER if place == "comfyui" else bare)
    expected = GOLDENS["transformers" if kind == "ClipTokenizer" else "open_clip"]
    wrong = [
        text
        for text, golden in zip(texts, expected, strict=True)
        if golden and ids_digest(tokenizer([text], LENGTH)[0].tolist()) != golden
    ]
    assert not wrong
    assert len(texts) >= 600 and expected.count(None) == unknown


def test_many_prompts_at_once_have_the_ids_of_each_alone(texts):
    tokenizer = estimators("clip_tokens").ClipTokenizer(FOLDER)
    some = texts[::9]
    rows = tokenizer(some, LENGTH)
    assert rows.shape == (len(some), LENGTH) and len(tokenizer) == 49408
    for text, row in zip(some, rows, strict=True):
        alone = tokenizer([text], LENGTH)[0]
        assert torch.equal(row[: len(alone)], alone) and (row[len(alone) :] == 49407).all()
        assert tokenizer.count(text) == len(alone) or len(alone) == LENGTH < tokenizer.count(text)


@torch.inference_mode()
def test_human_preference_from_image_and_prompt_to_score():
    state = {key: torch.as_tensor(value) for key, value in clip_weights.make().items()}
    scores = estimators("clip_scores")
    estimator = scores.build("HPSv2.1", state, FOLDER, None, torch.float32)
    expected = json.loads(SCORES.read_text())["resized"]
    for picture, row in zip(images.resized(), expected, strict=True):
        found = estimator.score_each(torch.from_numpy(picture)[None] / 255, prompts.SCORED)
        assert (found - torch.tensor([row])).abs().max() <= 1e-5
