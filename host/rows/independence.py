"""What model patches and conditioning hold for each image of a batch, such as a batched IP-Adapter's embeddings."""

import functools
import inspect
from collections.abc import Iterator, Sequence, Set
from itertools import product
from types import CellType, ModuleType
from typing import Any

import torch
from comfy.model_patcher import ModelPatcher

from .conditioning import PER_ROW_LISTS, PER_ROW_TENSORS, Conditioning

ROWS = "ad_params"
OPAQUE = (torch.nn.Module, ModelPatcher, type, ModuleType)
WITHOUT_ROWS = {"hooks", "unclip_conditioning", "gligen"}
HANDLED = {"control", *PER_ROW_TENSORS, *PER_ROW_LISTS, *WITHOUT_ROWS}
REFUSED = "holds something for each of the {} images and cannot be cut to some of them; draw one image a batch"


def model_for_rows(model: Any, rows: Sequence[int], batches: Set[int]) -> Any:
    """`model` for sampling only `rows` of batches of these sizes; ValueError naming a patch that cannot be cut to them.

    IP-Adapter's patches, and those written after them, take the rows from transformer_options["ad_params"], made for
    AnimateDiff's context windows. Any other patch that holds a tensor (batch, ...) is refused.
    """
    patches = list(_patches(model))
    told = {id(patch) for _, patch in patches if _asks_for_rows(patch)}
    for (place, patch), batch in product(patches, batches):
        if id(patch) not in told and _holds_rows(patch, batch):
            name = getattr(patch, "__qualname__", type(patch).__name__)
            raise ValueError(f"the model's patch '{name}' ({place}) {REFUSED.format(batch)} or link a model without it")
    if not told:
        return model
    own = model.clone()
    own.model_options["transformer_options"][ROWS] = {"sub_idxs": list(rows), "full_length": max(batches)}
    return own


def check_conditioning(conditioning: Conditioning, batch: int) -> None:
    """ValueError naming an option unknown here that holds a tensor (batch, ...)."""
    for _, options in conditioning:
        for key, value in options.items():
            if key not in HANDLED and _holds_rows(value, batch):
                raise ValueError(f"the conditioning's '{key}' {REFUSED.format(batch)}")


def _patches(model: Any) -> Iterator[tuple[str, Any]]:
    """Every patch of a model with the last name on the way to it."""
    waiting: list[tuple[str, Any]] = [
        ("options", model.model_options),
        ("object patches", model.object_patches),
        ("wrappers", model.wrappers),
    ]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend((key if isinstance(key, str) else place, part) for key, part in value.items())
        elif isinstance(value, (list, tuple)):
            waiting.extend((place, part) for part in value)
        else:
            yield place, value


def _holds_rows(value: Any, batch: int) -> bool:
    tensors = (part for part in _reachable(value) if isinstance(part, torch.Tensor))
    return batch > 1 and any(tensor.ndim > 1 and tensor.shape[0] == batch for tensor in tensors)


def _asks_for_rows(patch: Any) -> bool:
    return any(ROWS in part.__code__.co_consts for part in _reachable(patch) if inspect.isfunction(part))


def _reachable(start: Any) -> Iterator[Any]:
    """The value and all that it holds: items, attributes, closures, arguments; not what networks and models hold."""
    seen: set[int] = set()
    waiting = [start]
    while waiting:
        value = waiting.pop()
        if id(value) not in seen and not isinstance(value, OPAQUE):
            seen.add(id(value))
            yield value
            waiting.extend(_inside(value))


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, (list, tuple, set)):
        return list(value)
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    if inspect.ismethod(value):
        return [value.__self__, value.__func__]
    if inspect.isfunction(value):
        return [cell.cell_contents for cell in value.__closure__ or () if cell != CellType()]
    return [*getattr(value, "__dict__", {}).values(), inspect.getattr_static(type(value), "__call__", None)]
