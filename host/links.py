"""What a value must be to pass as one of a type: ComfyUI lets whatever comes from a wildcard output pass everywhere."""

import math
from collections.abc import Callable
from numbers import Integral
from typing import Any, NamedTuple

import torch
from comfy_api.latest import io

from ..adaptive_diffusion.gate.decision import GateDecision, QualityScores
from ..adaptive_diffusion.gate.learned import LearnedGate
from ..adaptive_diffusion.gate.percentiles import PercentileTable
from ..adaptive_diffusion.gate.student import Student
from ..adaptive_diffusion.quoting import listed, quoted
from .plain import as_float

MOST_NUMBERS = 100_000
"""ComfyUI draws the noise of all images before one that its batch_index numbers."""

BRIEF = (str, bytes, int, float, complex, type(None))


class Kind(NamedTuple):
    """A type of links: whether a value is of it, and what its values are called."""

    holds: Callable[[Any], bool]
    called: str


def check_link(name: str, types: list[str], value: Any) -> None:
    """ValueError where a value is of none of the types; what is not known of types passes."""
    kinds = [KINDS[each] for each in types if each in KINDS]
    if len(kinds) == len(types) and not any(kind.holds(value) for kind in kinds):
        raise ValueError(f"{name} is {told(value)}; link {' or '.join(kind.called for kind in kinds)}")


def checked_number(each: Any, value: Any) -> float:
    """The number, whole for an input of whole ones; ValueError where the input does not take it."""
    if not isinstance(value, (int, float)):
        raise ValueError(f"{each.id} is {told(value)}; give a number")
    if not math.isfinite(as_float(value)):
        raise ValueError(f"{each.id} is {quoted(value)}; give a finite number")
    if isinstance(each, io.Int.Input) and value != int(value):
        raise ValueError(f"{each.id} is {value}; give a whole number")
    if None not in (each.min, each.max) and not each.min <= value <= each.max:
        raise ValueError(f"{each.id} is {quoted(value)}; choose from {each.min} to {each.max}")
    return int(value) if isinstance(each, io.Int.Input) else value


def check_choice(name: str, value: Any, options: list[Any] | None) -> None:
    """ValueError where a list does not offer the value; options: None where it is not known what it offers."""
    if not isinstance(value, str):
        raise ValueError(f"{name} is {told(value)}; link a text")
    if options is not None and value not in options:
        raise ValueError(f"there is no {name} {quoted(value)}; choose one of {listed(options)}")


def types_of(each: io.Input) -> list[str]:
    """The types that an input takes."""
    if isinstance(each, io.MatchType.Input):
        return [kind.io_type for kind in each.template.allowed_types]
    return each.get_io_type().split(",")


def told(value: Any) -> str:
    """A value in a sentence: itself where it is brief, else what it is."""
    if isinstance(value, BRIEF):
        return quoted(value)
    if isinstance(value, torch.Tensor):
        return f"a tensor of {str(value.dtype).removeprefix('torch.')} and shape {tuple(value.shape)}"
    if isinstance(value, dict) and isinstance(value.get("samples"), torch.Tensor):
        return f"a dict with {told(value['samples'])} as samples"
    return f"of type {type(value).__name__}"


def _is_pixels(value: Any) -> bool:
    """Whether it is a tensor of floats that has any."""
    dense = isinstance(value, torch.Tensor) and value.layout == torch.strided
    return dense and not value.is_meta and value.is_floating_point() and value.numel() > 0


def _is_image(value: Any) -> bool:
    return _is_pixels(value) and value.ndim == 4


def _is_latent(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    samples = value.get("samples")
    if isinstance(samples, torch.Tensor) and not samples.is_nested:
        return _is_pixels(samples) and _fits(value, len(samples))
    return getattr(samples, "is_nested", False)


def _fits(latent: dict[str, Any], count: int) -> bool:
    """Whether what a latent says of its rows is of the kinds that ComfyUI's nodes write."""
    numbers, mask = latent.get("batch_index", range(count)), latent.get("noise_mask")
    if not isinstance(numbers, (list, tuple, range)) or len(numbers) != count:
        return False
    whole = all(isinstance(number, Integral) and 0 <= int(number) < MOST_NUMBERS for number in numbers)
    return whole and (mask is None or (_is_pixels(mask) and mask.ndim > 1))


def _is_conditioning(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_condition, value))


def _is_condition(value: Any) -> bool:
    pair = isinstance(value, (list, tuple)) and len(value) == 2 and isinstance(value[1], dict)
    return pair and (value[0] is None or (_is_pixels(value[0]) and value[0].ndim > 1))


def _is_sigmas(value: Any) -> bool:
    return _is_pixels(value) and value.ndim == 1 and len(value) > 1 and bool(value.isfinite().all())


def _has(*names: str) -> Callable[[Any], bool]:
    return lambda value: all(hasattr(value, name) for name in names)


def _is(kind: type | tuple[type, ...]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


KINDS = {
    "IMAGE": Kind(_is_image, "an IMAGE of at least one pixel, floats (batch, height, width, channels)"),
    "LATENT": Kind(_is_latent, f"a LATENT of at least one image, numbered by its batch_index under {MOST_NUMBERS:,}"),
    "CONDITIONING": Kind(_is_conditioning, "a CONDITIONING, as text encoders give it"),
    "MODEL": Kind(_has("get_model_object", "model_options"), "a MODEL"),
    "CLIP": Kind(_has("tokenize", "encode_from_tokens"), "a CLIP"),
    "VAE": Kind(_has("decode", "first_stage_model"), "a VAE"),
    "SAMPLER": Kind(_has("sample"), "a SAMPLER"),
    "SIGMAS": Kind(_is_sigmas, "SIGMAS, a row of at least two finite numbers"),
    "STRING": Kind(_is(str), "a text"),
    "BOOLEAN": Kind(_is(int), "true or false"),
    "FLOAT": Kind(lambda value: True, "numbers"),
    "STUDENT_INFO": Kind(_is(Student), "the student of Student Sample or Best of N"),
    "QUALITY_ESTIMATOR": Kind(_has("described", "read", "estimator"), "the estimator of Load Estimator"),
    "QUALITY_SCORES": Kind(_is(QualityScores), "the scores of Quality Score"),
    "GATE_DECISION": Kind(_is(GateDecision), "the decision of Threshold Gate or Adaptive Merge"),
    "PERCENTILE_TABLE": Kind(_is((PercentileTable, LearnedGate)), "the table or gate of a node that calibrates"),
}
