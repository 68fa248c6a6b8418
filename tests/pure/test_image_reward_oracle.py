"""ImageReward and CycleReward against what their own packages answered (tests/oracle), and faults that must show."""

import hashlib
import json
from dataclasses import replace
from functools import cache, partial

import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import gelu

from adaptive_diffusion import estimators
from adaptive_diffusion.estimators import med, preprocess, reward_net, vit
from adaptive_diffusion.estimators.bert_words import VOCABULARY, BertTokenizer
from adaptive_diffusion.estimators.blip_reward import CYCLE_REWARD, IMAGE_REWARD
from tests.oracle import images, prompts, weights
from tests.oracle.goldens import LENGTHS, SCORES, TOKENS, ids_digest, texts_digest

torch.set_num_threads(1)

TOLERANCE = 1e-5
RESIZED_TOLERANCE = 5e-4
SETTINGS = {"ImageReward": IMAGE_REWARD, "CycleReward": CYCLE_REWARD}
SCORE_TABLES, TOKEN_TABLES = json.loads(SCORES.read_text()), json.loads(TOKENS.read_text())
KINDS = pytest.mark.parametrize("kind", SETTINGS)
CLS, SEP, UNK, ENC = 101, 102, 100, 30523


@cache
def state(kind):
    return weights.make(weights.TINY, kind)


def load(folder, kind, **changes):
    """The estimator of a file as published, or of one whose metadata says otherwise."""
    metadata = replace(SETTINGS[kind], **changes).metadata() if changes else None
    path = folder / "estimator.safetensors"
    save_file({key: torch.from_numpy(value) for key, value in state(kind).items()}, path, metadata=metadata)
    return estimators.load(path)


def difference(estimator, table="exact"):
    """The largest difference to the package's scores, for every image and prompt."""
    pictures = getattr(images, table)()
    ours = [estimator.score_each(torch.from_numpy(picture)[None] / 255, prompts.SCORED) for picture in pictures]
    theirs = torch.tensor(SCORE_TABLES[estimator.name][table])
    return (torch.cat(ours) - theirs).abs().max().item()


@KINDS
def test_the_generator_makes_the_weights_that_the_package_had(kind):
    assert weights.digest(state(kind)) == SCORE_TABLES[kind]["weights"]


@KINDS
def test_scores_are_the_packages(tmp_path, kind):
    assert difference(load(tmp_path, kind)) <= TOLERANCE


@KINDS
def test_scores_of_resized_images_are_the_packages(tmp_path, kind):
    assert difference(load(tmp_path, kind), "resized") <= RESIZED_TOLERANCE


@KINDS
def test_one_image_with_one_prompt_scores_as_all_together(tmp_path, kind):
    estimator = load(tmp_path, kind)
    alone = estimator.score(torch.from_numpy(images.exact()[3])[None] / 255, prompts.SCORED[1])
    assert abs(alone.item() - SCORE_TABLES[kind]["exact"][3][1]) <= TOLERANCE


def test_token_ids_are_berts():
    texts = prompts.fuzzed()
    assert texts_digest(texts) == TOKEN_TABLES["prompts"] and len(texts) >= 600
    rows = zip(*(BertTokenizer(length)(texts)[0].tolist() for length in LENGTHS), strict=True)
    wrong = [text for text, ids, row in zip(texts, TOKEN_TABLES["ids"], rows, strict=True) if ids_digest(*row) != ids]
    assert not wrong


def test_tokens_are_counted_as_bert_counts():
    tokenizer = BertTokenizer(35)
    assert [tokenizer.count(text) for text in prompts.fuzzed()] == TOKEN_TABLES["counts"]


def test_the_vocabulary_is_bert_base_uncaseds():
    digest = hashlib.sha256(VOCABULARY.read_bytes()).hexdigest()
    assert digest == "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("ImageReward", {"vision_heads": 8}),
        ("ImageReward", {"text_heads": 8}),
        ("ImageReward", {"vision_eps": 1e-5}),
        ("ImageReward", {"text_eps": 1e-6}),
        ("ImageReward", {"max_length": 77}),
        ("ImageReward", {"max_length": 34}),
        ("ImageReward", {"image_mean": (0.5, 0.5, 0.5)}),
        ("ImageReward", {"score_mean": 0.0}),
        ("CycleReward", {"max_length": 35}),
        ("CycleReward", {"text_heads": 8}),
        ("CycleReward", {"vision_eps": 1e-5}),
        ("CycleReward", {"score_mean": 0.16717362830052426}),
    ],
    ids=str,
)
def test_a_wrong_setting_shows(tmp_path, kind, changes):
    assert difference(load(tmp_path, kind, **changes)) > TOLERANCE


def no_text_mask(monkeypatch, estimator):
    monkeypatch.setattr(reward_net, "padding_mask", lambda present: torch.zeros(present.shape)[:, None, None])


def train_mode(monkeypatch, estimator):
    estimator.module.train()


def _change_ids(monkeypatch, estimator, change):
    whole = estimator.tokenizer
    monkeypatch.setattr(estimator, "tokenizer", lambda texts: (change(whole(texts)[0]), whole(texts)[1]))


def enc_for_cls(monkeypatch, estimator):
    _change_ids(monkeypatch, estimator, lambda ids: ids.where(ids != CLS, ENC))


def every_word_unknown(monkeypatch, estimator):
    _change_ids(monkeypatch, estimator, lambda ids: ids.where(ids <= SEP, UNK))


def vocabulary_one_line_off(monkeypatch, estimator):
    _change_ids(monkeypatch, estimator, lambda ids: ids.where(ids <= SEP, ids - 1))


def approximate_gelu(monkeypatch, estimator):
    for module in (med, vit):
        monkeypatch.setattr(module, "gelu", partial(gelu, approximate="tanh"))


@pytest.mark.parametrize(
    "fault", [no_text_mask, train_mode, enc_for_cls, every_word_unknown, vocabulary_one_line_off, approximate_gelu]
)
def test_a_fault_shows(monkeypatch, tmp_path, fault):
    torch.manual_seed(0)
    estimator = load(tmp_path, "ImageReward")
    fault(monkeypatch, estimator)
    assert difference(estimator) > TOLERANCE


def test_a_head_without_gelu_shows(tmp_path):
    estimator = load(tmp_path, "CycleReward")
    for place in (1, 3, 5, 7):
        estimator.module.mlp.layers[place] = torch.nn.Identity()
    assert difference(estimator) > TOLERANCE


def one_pass(pixels, size):
    height, width = (size * side // min(pixels.shape[-2:]) for side in pixels.shape[-2:])
    resized = torch.nn.functional.interpolate(pixels, (height, width), mode="bicubic", antialias=True)
    return preprocess.eight_bit(resized)


def bilinear(pixels, size):
    height, width = (size * side // min(pixels.shape[-2:]) for side in pixels.shape[-2:])
    return torch.nn.functional.interpolate(pixels, (height, width), mode="bilinear", antialias=True)


@pytest.mark.parametrize("resize", [one_pass, bilinear])
def test_another_resize_shows(monkeypatch, tmp_path, resize):
    monkeypatch.setattr(preprocess, "resize", resize)
    assert difference(load(tmp_path, "ImageReward"), "resized") > RESIZED_TOLERANCE
