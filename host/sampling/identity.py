"""Which student a model is: its name, and digests of all that changes what it draws."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from ...adaptive_diffusion.digest import digest, sampled, weights_digest
from ...adaptive_diffusion.gate.student import PLAIN
from ..rows.conditioning import Conditioning

GUIDED = "adaptive_lcm_guidance"
_PLAIN = (str, int, float, bool, type(None))


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
    return digest(list(_told(parts))) if any(parts) else PLAIN


def conditioning_digest(conditioning: Conditioning | None) -> str | None:
    """Letters that differ for another conditioning; None for none."""
    return None if conditioning is None else digest(list(_told(conditioning)))


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


def _told(value: Any, depth: int = 6) -> Iterator[Any]:
    """What JSON can hold of a value: numbers and texts, samples of tensors, names of functions and classes."""
    if isinstance(value, torch.Tensor):
        yield sampled(value)
    elif isinstance(value, _PLAIN):
        yield str(value)
    elif isinstance(value, Mapping):
        for key in sorted(value, key=str):
            yield str(key)
            yield from _told(value[key], depth)
    elif isinstance(value, Iterable) and depth:
        for part in value:
            yield from _told(part, depth - 1)
    else:
        yield getattr(value, "__qualname__", type(value).__qualname__)
        if depth:
            yield from _told(_held(value), depth - 1)


def _held(value: Any) -> list[Any]:
    """What a function closes over or an object keeps, its own networks and models left out."""
    cells = [cell.cell_contents for cell in getattr(value, "__closure__", None) or () if _filled(cell)]
    kept = {} if isinstance(value, (torch.nn.Module, type)) else getattr(value, "__dict__", {})
    buffers = dict(value.named_buffers()) if isinstance(value, torch.nn.Module) else {}
    return [part for part in (*cells, kept, buffers) if not callable(part)]


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
