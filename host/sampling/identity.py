"""Which student a model is: its name, and digests of all that changes what it draws."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from ...adaptive_diffusion.digest import digest, weights_digest
from ...adaptive_diffusion.gate.student import PLAIN
from ..rows.conditioning import Conditioning
from .contents import contents
from .participants import is_plain

GUIDED = "adaptive_lcm_guidance"
PICTURES = {"concat_latent_image", "concat_mask", "concat_image", "noise_concat", "mask", "ref_latent"}


def model_name(model: Any) -> str | None:
    """The base name of the file the model was loaded from, where core remembers it."""
    origin = model.cached_patcher_init
    path = origin[1][0] if origin and origin[1] else None
    return Path(path).stem if isinstance(path, str) else None


def patches(model: Any) -> str | None:
    """A few words on the model's patched weights; None where there are none."""
    return f"{len(model.patches)} weights patched" if model.patches else None


def patch_digest(model: Any) -> str:
    """Letters that differ where a patch or its strength does; "none" for a model as it was loaded."""
    parts = [model.patches, model.object_patches, model.wrappers, _options(model.model_options)]
    if not any(parts):
        return PLAIN
    own = {id(model.model), *map(id, model.model.diffusion_model.modules())}
    told = list(contents(parts, own))
    return digest(told) if told else PLAIN


def conditioning_digest(conditioning: Conditioning | None) -> str | None:
    """Letters that differ for another conditioning; None for none."""
    return None if conditioning is None else digest(list(contents(conditioning)))


def prompting(positive: Conditioning) -> str:
    """Letters that differ where prompts come with more than their text, whatever the text; "none" for text alone."""
    told = [[*_besides_text(options)] for _, options in positive]
    return digest(told) if len(told) > 1 or any(told) else PLAIN


def guidance(model: Any, positive: Conditioning) -> float | None:
    """What a model takes as its guidance: set by LCM Guidance, else the one that the prompt comes with."""
    given = {options.get("guidance") for _, options in positive}
    return model.get_attachment(GUIDED) or (given.pop() if len(given) == 1 else None)


def _besides_text(options: Mapping[str, Any]) -> Iterator[Any]:
    """Numbers and words as they are; of anything else that is no text's tensor, that it is there."""
    for key, value in sorted(options.items()):
        text = value is None or isinstance(value, torch.Tensor) and key not in PICTURES
        if key != "guidance" and not text:
            yield [key, str(value) if is_plain(value) else None]


def vae_digest(vae: Any) -> str:
    """Letters that differ for another decoder."""
    return weights_digest(vae.first_stage_model.state_dict())


def dtype_name(model: Any) -> str:
    """The precision in which the network computes, such as "float16"."""
    return str(model.model_dtype()).removeprefix("torch.")


def _options(model_options: Mapping[str, Any]) -> dict[str, Any]:
    """What is set of a model's options."""
    found = {key: value for key, value in model_options.items() if key != "transformer_options"}
    return {key: value for key, value in {**found, **model_options.get("transformer_options", {})}.items() if value}
