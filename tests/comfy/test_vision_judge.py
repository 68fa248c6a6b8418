"""A text encoder of ComfyUI as a judge, against transformers on the same tiny random weights."""

import math

import pytest
import torch
import transformers
from tiny_vlm import PROCESSOR, tiny_model

from .tiny_clips import TOKENIZER, TYPES_4B, TYPES_8B, tiny_clip
from .tools import module

SIZES = [(224, 224), (333, 500), (384, 512), (750, 1000), (1024, 1024), (96, 800), (64, 64)]
TEMPLATE = "<|im_start|>user\n<|vision_start|>{}<|vision_end|>{}<|im_end|>\n<|im_start|>assistant\n"
REFERENCE = 'Does this figure show "{}"? Please answer Yes or No.'
YES = 9454
WORDS = "a red circle left of a blue square on sand and"


def prompt_of(words: int) -> str:
    return " ".join((WORDS.split() * words)[:words])


def picture(height: int, width: int, seed: int = 0) -> torch.Tensor:
    """(1, H, W, 3): a smooth random picture with some noise on it."""
    noise = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 7, 5, generator=noise)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    return (smooth * 0.9 + torch.rand(1, 3, height, width, generator=noise) * 0.1).movedim(1, -1)


@pytest.fixture(scope="module")
def model():
    """transformers' model; it answers."""
    return tiny_model()


@pytest.fixture(scope="module")
def tokenizer():
    return transformers.AutoTokenizer.from_pretrained(TOKENIZER)


def weights(model) -> dict[str, torch.Tensor]:
    return {name: weight.clone() for name, weight in model.state_dict().items()}


def hosted(clip, question: str = "", checks: str = ""):
    questions = module("adaptive_diffusion.estimators.vlm.questions").Questions
    asked = questions.read(question, checks) if question else questions.read(checks=checks)
    return module("host.vision_judge").HostedVisionJudge(clip, asked)


def reference_logits(model, tokenizer, image: torch.Tensor, question: str) -> torch.Tensor:
    """(V,): transformers' own processing of an image (1, H, W, 3), and its forward on one question."""
    processor = transformers.Qwen2VLImageProcessor(**{k: v for k, v in PROCESSOR.items() if "type" not in k})
    taken = processor([image[0].mul(255).round().byte().movedim(-1, 0)], return_tensors="pt")
    count = int(taken["image_grid_thw"].prod()) // 4
    ids = tokenizer(TEMPLATE.format("<|image_pad|>" * count, question), return_tensors="pt").input_ids
    kinds = (ids == 151655).int()
    return model(input_ids=ids, **taken, mm_token_type_ids=kinds, attention_mask=torch.ones_like(ids)).logits[0, -1]


def logit_of_yes(logits: torch.Tensor) -> float:
    """log(P / (1 - P)) of Yes by the whole vocabulary, as t2v_metrics takes P."""
    probability = logits.double().softmax(-1)
    rest = torch.cat([probability[:YES], probability[YES + 1 :]]).sum()
    return math.log(probability[YES].item()) - math.log(rest.item())


def logits_of(judge, image: torch.Tensor, *questions: str) -> torch.Tensor:
    """(Q, V) that the judge's network gives for questions on one image, in one pass."""
    network, found = judge.network, []
    judge._load(image, [""])
    packed = module("adaptive_diffusion.estimators.vlm.judge")
    own, network.logits = network.logits, lambda hidden: found.append(own(hidden)) or found[0]
    try:
        packed.ask(network, judge.estimator.encode(image)[0], questions)
    finally:
        network.logits = own
    return found[0]


@pytest.mark.parametrize("height,width", SIZES, ids=lambda side: str(side))
def test_scores_are_transformers_own_for_every_size(model, tokenizer, height, width):
    judge, image = hosted(tiny_clip(weights(model))), picture(height, width)
    [score] = judge.score(image, [WORDS])
    assert abs(score - logit_of_yes(reference_logits(model, tokenizer, image, REFERENCE.format(WORDS)))) <= 2e-5


@pytest.mark.parametrize("words", [1, 10, 100, 300])
def test_scores_are_transformers_own_for_every_length_of_the_prompt(model, tokenizer, words):
    judge, image, prompt = hosted(tiny_clip(weights(model))), picture(333, 500), prompt_of(words)
    [score] = judge.score(image, [prompt])
    assert abs(score - logit_of_yes(reference_logits(model, tokenizer, image, REFERENCE.format(prompt)))) <= 2e-5


@pytest.mark.parametrize("clip_type,size", [*((each, "8b") for each in TYPES_8B), *((each, "4b") for each in TYPES_4B)])
def test_logits_of_the_same_pixels_are_transformers_own_for_every_type_of_clip(tokenizer, clip_type, size):
    plain = tiny_model(tied=size == "4b", answering=False)
    image, question = picture(384, 512), REFERENCE.format(WORDS)
    expected = reference_logits(plain, tokenizer, image, question)
    [found] = logits_of(hosted(tiny_clip(weights(plain), clip_type, size)), image, question)
    print(expected.std(), (found - expected).abs().max())
    assert (found - expected).abs().max() <= 5e-5 and 2 < expected.std() < 10
