"""A vision-language model in a folder as a judge, without ComfyUI."""

import math
import shutil

import numpy
import pytest
import torch

from adaptive_diffusion.estimators import kind_of
from adaptive_diffusion.estimators.vlm import Questions, local
from adaptive_diffusion.estimators.vlm.packing import pack
from adaptive_diffusion.estimators.vlm.resize import fitting, resized
from adaptive_diffusion.gate.checked import answered
from adaptive_diffusion.gate.decision import QualityScores
from adaptive_diffusion.gate.judge import Judge
from adaptive_diffusion.standalone import models
from tests.tiny_vlm import MARKS, PROCESSOR, WORDS, save_folder, tiny_model, tiny_tokenizer

PROMPT = "a red circle"


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer()


@pytest.fixture(scope="module")
def model(tokenizer):
    return tiny_model(tokenizer=tokenizer)


@pytest.fixture(scope="module")
def folder(model, tokenizer, tmp_path_factory):
    return save_folder(model, tmp_path_factory.mktemp("vlm"), tokenizer)


@pytest.fixture(scope="module")
def judge(folder):
    return models.load_estimator(f"vlm:{folder}", "cpu", None, None)


def images(count: int, height: int = 96, width: int = 160) -> torch.Tensor:
    noise = torch.Generator().manual_seed(3)
    return torch.rand(count, 1, 1, 3, generator=noise) * torch.rand(count, height, width, 3, generator=noise)


def expected(model, tokenizer, image: torch.Tensor, question: str) -> float:
    """The log-odds of Yes by transformers' own forward on pixels that need no resize."""
    rows, columns = (side // 16 for side in image.shape[:2])
    pixels = (image.mul(255).round() / 255 - 0.5) / 0.5
    patches = pixels.view(rows // 2, 2, 16, columns // 2, 2, 16, 3).permute(0, 3, 1, 4, 6, 2, 5)
    patches = patches.unsqueeze(5).expand(-1, -1, -1, -1, -1, 2, -1, -1).reshape(rows * columns, -1)
    text = f"<|im_start|>user\n<|vision_start|>{'<|image_pad|>' * (rows * columns // 4)}<|vision_end|>{question}"
    ids = torch.tensor([tokenizer.encode(f"{text}<|im_end|>\n<|im_start|>assistant\n")])
    logits = model(
        input_ids=ids,
        pixel_values=patches,
        image_grid_thw=torch.tensor([[1, rows, columns]]),
        mm_token_type_ids=(ids == model.config.image_token_id).int(),
        attention_mask=torch.ones_like(ids),
    ).logits[0, -1]
    probability = logits.double().softmax(-1)[tokenizer.convert_tokens_to_ids("Yes")].item()
    return math.log(probability / (1 - probability))


def test_the_score_is_the_log_odds_of_yes_and_checks_are_means_by_weight(model, tokenizer, folder, judge):
    pictures = images(2, 256, 288)
    asked = 'Does this figure show "a red circle"? Please answer Yes or No.'
    odds = [expected(model, tokenizer, picture, asked) for picture in pictures]
    assert judge.score(pictures, PROMPT).tolist() == pytest.approx(odds, abs=2e-5)
    checked = local.load(folder, Questions.read(checks="Is it red? | red | 3"))
    more = [expected(model, tokenizer, picture, "Is it red? Please answer Yes or No.") for picture in pictures]
    reading = checked.read(pictures, PROMPT)
    assert reading.scores.tolist() == pytest.approx(
        [(a + 3 * b) / 4 for a, b in zip(odds, more, strict=True)], abs=2e-5
    )
    scores = QualityScores.read_by(checked, reading)
    assert [each.reasons for each in answered(scores)] == [("red",) if b < 0 else () for b in more]
    probabilities = [1 / (1 + math.exp(-first)) for first in odds]
    assert [each.probability for each in answered(scores)] == pytest.approx(probabilities, abs=1e-5)
    assert answered(scores.pick([1])) == answered(scores)[1:]


@pytest.mark.parametrize("mark", ["?", "\uff1f", "\u061f"])
def test_a_check_may_be_asked_with_the_question_mark_of_its_script(mark):
    [check] = Questions.read(checks=f"\u624b\u753b\u5f97\u5bf9\u5417{mark} | hands | 2").checks
    assert (check.name, check.weight) == ("hands", 2.0)
    assert check.question == f"\u624b\u753b\u5f97\u5bf9\u5417{mark} Please answer Yes or No."


def test_the_processor_is_not_asked_to_resize(judge):
    """Its own resize depends on what is installed."""
    small, large = images(1), resized(images(1)).movedim(1, -1) / 255
    assert small.shape != large.shape
    assert judge.score(small, PROMPT).tolist() == judge.score(large, PROMPT).tolist()


def test_a_judge_is_told_by_its_weights_and_questions(tokenizer, judge, folder, tmp_path):
    assert Judge.of(judge).name == "VQAScore Qwen3-VL of width 64" and judge.dtype == "float32"
    assert Judge.of(local.load(folder)) == Judge.of(judge)
    other = local.load(save_folder(tiny_model(seed=2, tokenizer=tokenizer), tmp_path, tokenizer))
    assert Judge.of(other).unequal(Judge.of(judge)).keys() == {"weights"}
    assert local.load(folder, Questions.read("Is it red?")).name.startswith(f"{judge.name} (questions ")
    assert judge.relative is False and judge.cut(["word " * 500]) == []


DAMAGED = {
    "config.json": (None, "has no config.json; download all files of the model's repository"),
    "preprocessor_config.json": (None, "has no preprocessor_config.json; download all files"),
    "model.safetensors": (None, "cannot be loaded: "),
    "cut weights": (b"\x10\0", "cannot be loaded: "),
    "another model": (b'{"model_type": "qwen2_vl"}', "it is a qwen2_vl and no Qwen3-VL, the only kind that can judge"),
    "tokenizer.json": (None, "cannot be loaded: "),
}
FILES = {"cut weights": "model.safetensors", "another model": "config.json"}


@pytest.mark.parametrize("name", DAMAGED)
def test_an_incomplete_folder_is_one_sentence(folder, tmp_path, name):
    copy, (content, told) = tmp_path / "copy", DAMAGED[name]
    shutil.copytree(folder, copy)
    damaged = copy / FILES.get(name, name)
    damaged.write_bytes(content) if content else damaged.unlink()
    with pytest.raises(ValueError) as error:
        local.load(copy)
    assert told in str(error.value) and "\n" not in str(error.value)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="there is no folder '.*'; name one with a Qwen3-VL as Hugging Face has it"
    ):
        models.load_estimator(f"vlm:{tmp_path / 'none'}", "cpu", None, None)


def test_weights_without_a_head_are_refused(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    state = load_file(copy / "model.safetensors")
    del state["lm_head.weight"]
    save_file(state, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match="cannot be loaded: its weights lack lm_head.weight"):
        local.load(copy)


@pytest.mark.parametrize(
    "words,marks,told",
    [
        (["No", "yes", "no"], MARKS, "the tokenizer splits 'Yes' into 3 tokens; use a Qwen3-VL model"),
        (["Yes", "yes"], MARKS, "the tokenizer splits 'No' into 2 tokens; use a Qwen3-VL model"),
        (["Yes", "No", "Ye", "no"], MARKS, "the tokenizer splits 'yes' into 3 tokens; use a Qwen3-VL model"),
        (WORDS, MARKS[1:], "the tokenizer has no '<|im_start|>'; use a Qwen3-VL model with its own tokenizer"),
        (WORDS, MARKS[:3], "the tokenizer has no '<|vision_end|>'; use a Qwen3-VL model with its own tokenizer"),
    ],
)
def test_a_tokenizer_that_has_no_marks_or_splits_an_answer(model, tmp_path, words, marks, told):
    with pytest.raises(ValueError) as error:
        local.load(save_folder(model, tmp_path, tiny_tokenizer(words, marks)))
    assert str(error.value) == told


@pytest.mark.parametrize("prompt", ["", " \n"])
def test_an_empty_prompt_is_refused_where_a_question_names_it(folder, judge, prompt):
    with pytest.raises(ValueError, match="an image cannot be scored for an empty prompt; give the prompt it was drawn"):
        judge.score(images(1), prompt)
    assert len(local.load(folder, Questions.read("Is it red?")).score(images(1), prompt)) == 1


def test_a_model_that_does_not_see_its_images_is_refused(folder):
    """As a file whose vision is zero."""
    blind = local.load(folder)
    blind.network.module.model.visual.patch_embed.proj.weight.zero_()
    told = "answers the same whatever it is shown, so it does not see the images"
    with pytest.raises(ValueError, match=told):
        blind.score(images(1), PROMPT)


def test_a_model_whose_questions_see_each_other_is_refused(folder, monkeypatch):
    """As in a transformers that reads the mask of attention otherwise."""
    judge = local.load(folder)
    own = judge.network.read
    whole = lambda packed: packed._replace(mask=torch.ones_like(packed.mask))  # noqa: E731
    monkeypatch.setattr(judge.network, "read", lambda text, packed, looks: own(text, whole(packed), looks))
    with pytest.raises(ValueError, match="when it is asked several questions at once; this version of ComfyUI or"):
        judge.score(images(1), PROMPT)


def test_a_model_that_does_not_answer_is_refused(tokenizer, tmp_path):
    mute = local.load(save_folder(tiny_model(answering=False, tokenizer=tokenizer), tmp_path, tokenizer))
    with pytest.raises(ValueError, match="answers Yes or No with a probability of 0.* only, so it does not answer"):
        mute.score(images(1), PROMPT)


def test_answers_that_are_not_finite_are_refused(folder):
    judge = local.load(folder)
    judge.network.module.lm_head.weight[7, 3] = math.inf
    with pytest.raises(ValueError, match="is not a number; its file is damaged, or its precision too small"):
        judge.score(images(1), PROMPT)


@pytest.mark.parametrize(
    "height,width,told", [(15, 64, "too small"), (8200, 8200, "too large"), (16, 3201, "over 200 times as long")]
)
def test_images_of_a_size_that_no_model_sees_are_refused(judge, height, width, told):
    with pytest.raises(ValueError, match=told):
        judge.score(torch.zeros(1, height, 1, 3).expand(1, height, width, 3), PROMPT)


@pytest.mark.parametrize(
    "size,fits",
    [
        ((224, 224), (256, 256)),
        ((333, 500), (320, 512)),
        ((750, 1000), (736, 992)),
        ((1024, 1024), (1024, 1024)),
        ((96, 800), (96, 800)),
        ((16, 16), (256, 256)),
        ((5000, 4000), (4576, 3648)),
        ((16, 3200), (32, 3648)),
    ],
)
def test_sides_are_those_of_the_published_processor(size, fits):
    import transformers.models.qwen2_vl.image_processing_pil_qwen2_vl as published

    edges = PROCESSOR["size"]
    assert published.smart_resize(*size, 32, edges["shortest_edge"], edges["longest_edge"]) == fitting(*size) == fits


def test_packed_questions_stand_directly_behind_the_image_and_apart():
    packed = pack(2, 2, 3, 1, [2, 3])
    assert packed.positions.tolist() == [
        [0, 1, 2, 2, 2, 2, 2, 2, 5, 6, 7, 6, 7, 8],
        [0, 1, 2, 2, 2, 3, 3, 3, 5, 6, 7, 6, 7, 8],
        [0, 1, 2, 3, 4, 2, 3, 4, 5, 6, 7, 6, 7, 8],
    ]
    assert packed.lasts.tolist() == [10, 13] and packed.image.nonzero().flatten().tolist() == [2, 3, 4, 5, 6, 7]
    sees = [row.nonzero().flatten().tolist() for row in packed.mask]
    assert sees[4] == [0, 1, 2, 3, 4] and sees[10] == [*range(11)] and sees[12] == [*range(9), 11, 12]


KEYS = {
    "HPSv3": (["model.layers.0.self_attn.q_proj.weight", "rm_head.0.weight"], "is HPSv3, a head on Qwen2-VL 7B, which"),
    "HPSv3++": (
        ["model.language_model.layers.0.self_attn.q_proj.weight", "rm_head.0.weight", "film_gen.0.weight"],
        "is HPSv3++, whose conditioned head on a Qwen3-VL 8B this pack does not have",
    ),
    "head": (["rm_head.0.weight"], "holds the head of HPSv3 alone, without the Qwen-VL that it reads"),
    "encoder": (
        ["model.visual.deepstack_merger_list.0.norm.weight"],
        "is a Qwen3-VL, which is a text encoder; move it",
    ),
}


@pytest.mark.parametrize("name", KEYS)
def test_heads_on_vision_language_models_are_refused_by_what_they_lack(name, tmp_path):
    from safetensors.torch import save_file

    keys, told = KEYS[name]
    save_file({key: torch.zeros(1) for key in keys}, tmp_path / "file.safetensors")
    with pytest.raises(ValueError) as error:
        kind_of(tmp_path / "file.safetensors")
    assert str(error.value).startswith(f"'file.safetensors' {told}") and "Judge from Text Encoder" in str(error.value)


def test_scores_of_other_estimators_have_no_answers():
    features = numpy.zeros((2, 3), "float32")
    assert answered(QualityScores((1.0, 2.0), features=features, feature_names="image embedding 3")) == [None, None]
    assert answered(QualityScores((1.0,))) == [None]
