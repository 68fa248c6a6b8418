"""Whether a text encoder's file held all of it: of what it lacks, ComfyUI says a line in its log and goes on.

The memory of such a weight is then zero or whatever lay there before, and its answers are numbers that mean nothing.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import comfy.sd
import torch

from ..adaptive_diffusion.estimators import weights
from ..adaptive_diffusion.quoting import unquoted

PREFIXES = {"model.language_model.": "model.", "model.visual.": "visual.", "lm_head.": "model.lm_head."}
LOADED_BY = getattr(comfy.sd, "load_clip_model_patcher", None)
LOOKED_AT = 64  # numbers of each weight


def check_weights(patcher: Any, network: torch.nn.Module) -> None:
    """ValueError where a weight of the network was not in the file, is all one number, or not finite."""
    held = _held(patcher)
    for name, weight in _weights(network):
        if weight is None or (held and name not in held):
            raise _lacking(name)
        numbers = _some(getattr(weight, "_qdata", weight.detach()))
        if not numbers.isfinite().all():
            raise ValueError(
                f"the file of this text encoder has weights that are not finite: {_part(name)}; load a whole one"
            )
        if weight.ndim > 1 and (numbers == numbers[0]).all():
            raise _lacking(name)


def _lacking(name: str) -> ValueError:
    return ValueError(f"the file of this text encoder does not hold {_part(name)}; load one that does")


def _weights(network: torch.nn.Module) -> Iterator[tuple[str, Any]]:
    """All by name; None for one that ComfyUI did not make, as of a quantised file without it."""
    for name, module in network.named_modules():
        if getattr(module, "weight", module) is None:
            yield f"{name}.weight", None
    yield from network.named_parameters()


def _held(patcher: Any) -> set[str]:
    """What the files that Load CLIP took it from hold, called as in the network; nothing where these are not known."""
    known: Any = getattr(patcher, "cached_patcher_init", None) or (None, ())
    load, given = known[:2]
    paths = [Path(file) for file in given[0]] if load is not None and load is LOADED_BY else []
    if not all(path.is_file() and path.suffix in weights.EXTENSIONS for path in paths):
        return set()
    return {_in_network(name) for path in paths for name in weights.shapes(path)}


def _in_network(name: str) -> str:
    start = next((start for start in PREFIXES if name.startswith(start)), "")
    return PREFIXES.get(start, "") + name.removeprefix(start)


def _some(weight: torch.Tensor) -> torch.Tensor:
    """Some of a weight's numbers, of rows and columns from everywhere."""
    flat = weight.flatten()
    return flat[torch.linspace(0, len(flat) - 1, LOOKED_AT, dtype=torch.float64).long()].float()


def _part(name: str) -> str:
    """What a weight of this name is for, with its name in the file as far as all files have the same."""
    found = name.removeprefix("model.")
    kinds = {"lm_head.": "a head", "layers.": "a layer", "visual.": "a part that sees images"}
    kind = next((kind for start, kind in kinds.items() if found.startswith(start)), "a part")
    return f"{kind} ({unquoted(found)})"
