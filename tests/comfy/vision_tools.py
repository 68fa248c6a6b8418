"""What the tests of the judge from a text encoder share: pictures, judges, and transformers' own answer."""

import math
from typing import Any

import torch
import transformers
from tiny_vlm import PROCESSOR

from .tools import module

REFERENCE = 'Does this figure show "{}"? Please answer Yes or No.'
TEMPLATE = "<|im_start|>user\n<|vision_start|>{}<|vision_end|>{}<|im_end|>\n<|im_start|>assistant\n"
WORDS = "a red circle left of a blue square on sand and"
YES, IMAGE = 9454, 151655


def prompt_of(words: int) -> str:
    return " ".join((WORDS.split() * words)[:words])


def picture(height: int, width: int, seed: int = 0) -> torch.Tensor:
    """(1, H, W, 3): a smooth random picture with some noise on it."""
    noise = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 7, 5, generator=noise)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    return (smooth * 0.9 + torch.rand(1, 3, height, width, generator=noise) * 0.1).movedim(1, -1)


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: weight.clone() for name, weight in model.state_dict().items()}


def hosted(clip: Any, checks: str = "", **question: str) -> Any:
    asked = module("adaptive_diffusion.estimators.vlm.questions").Questions.read(checks=checks, **question)
    return module("host.vision_judge").HostedVisionJudge(clip, asked)


def reference_logits(model: Any, tokenizer: Any, image: torch.Tensor, question: str | list[int]) -> torch.Tensor:
    """(V,): transformers' own processing of an image (1, H, W, 3), and its forward on one question, text or ids."""
    processor = transformers.Qwen2VLImageProcessor(**{k: v for k, v in PROCESSOR.items() if "type" not in k})
    taken = processor([image[0].mul(255).round().byte().movedim(-1, 0)], return_tensors="pt")
    marks = "<|image_pad|>" * (int(taken["image_grid_thw"].prod()) // 4)
    before, after = TEMPLATE.format(marks, "SPLIT").split("SPLIT")
    asked = tokenizer.encode(question) if isinstance(question, str) else question
    ids = torch.tensor([[*tokenizer.encode(before), *asked, *tokenizer.encode(after)]])
    kinds = (ids == IMAGE).int()
    return model(input_ids=ids, **taken, mm_token_type_ids=kinds, attention_mask=torch.ones_like(ids)).logits[0, -1]


def logit_of_yes(logits: torch.Tensor) -> float:
    """log(P / (1 - P)) of Yes among the whole vocabulary, as t2v_metrics takes P."""
    probability = logits.double().softmax(-1)
    rest = torch.cat([probability[:YES], probability[YES + 1 :]]).sum()
    return math.log(probability[YES].item()) - math.log(rest.item())


def logits_of(judge: Any, image: torch.Tensor, *questions: str) -> torch.Tensor:
    """(Q, V) that the judge's network gives for questions on one image, in one pass."""
    network, found = judge.network, []
    judge._load(image, [""])
    own, network.logits = network.logits, lambda hidden: found.append(own(hidden)) or found[0]
    try:
        module("adaptive_diffusion.estimators.vlm.network").ask(network, judge.estimator.encode(image)[0], questions)
    finally:
        network.logits = own
    return found[0]
