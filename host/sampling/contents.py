"""What JSON can hold of whatever changes what a model draws, the same in every process and before and after drawing."""

import json
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from itertools import islice
from types import MethodType
from typing import Any

import numpy
import torch
from comfy.model_patcher import ModelPatcher
from torch.utils.weak import WeakIdKeyDictionary

from ...adaptive_diffusion.digest import sampled
from .participants import PLAIN

DEPTH, MOST = 8, 20_000
COMPILED = {"torch.compile", "torch_compile_kwargs"}
_told: WeakIdKeyDictionary = WeakIdKeyDictionary()


def contents(value: Any, own: Collection[int] = (), depth: int = DEPTH) -> Iterator[Any]:
    """Numbers and texts, samples of tensors, names and settings of functions and objects.

    own: ids of the networks that need no telling. depth: how far into what holds what.
    """
    if isinstance(value, torch.Tensor):
        yield sampled(value)
    elif isinstance(value, (*PLAIN, torch.dtype)):
        yield str(value)
    elif isinstance(value, (numpy.generic, numpy.ndarray)):
        yield from contents(value.tolist(), own, depth)
    elif isinstance(value, Mapping):
        yield from _of_mapping(value, own, depth)
    elif isinstance(value, (list, tuple, deque, set, frozenset)):
        yield from _of_collection(value, own, depth)
    else:
        yield from _of_object(value, own, depth)


def _of_mapping(value: Mapping[Any, Any], own: Collection[int], depth: int) -> Iterator[Any]:
    """What is empty is as if it were not there."""
    for key in sorted(value, key=str):
        inside = iter(()) if key in COMPILED else contents(value[key], own, depth)
        for first in islice(inside, 1):
            yield from (str(key), first)
            yield from inside


def _of_collection(value: Collection[Any], own: Collection[int], depth: int) -> Iterator[Any]:
    if not depth:
        return
    if isinstance(value, (set, frozenset)):
        yield from sorted((list(contents(part, own, depth - 1)) for part in value), key=json.dumps)
    else:
        for part in value:
            yield from contents(part, own, depth - 1)


def _of_object(value: Any, own: Collection[int], depth: int) -> list[Any]:
    """Told once, before anything is drawn with it: what some keep from step to step makes no other student."""
    try:
        told = _told.setdefault(value, {})
    except TypeError:  # it has no place for a weak reference
        told = {}
    if depth not in told:
        told[depth] = _names(value)  # for what leads back to it
        inside = contents(_held(value, own), own, depth - 1) if depth else ()
        told[depth] = [*_names(value), *islice(inside, MOST)]
    return told[depth]


def _names(value: Any) -> list[str]:
    """Of a function its own; of an object or a class those of its class and all above."""
    name = getattr(value, "__qualname__", None)
    kind = value if isinstance(value, type) else type(value)
    return [name] if name and kind is not value else [each.__qualname__ for each in kind.__mro__[:-1]]


def _held(value: Any, own: Collection[int]) -> list[Any]:
    """What a function closes over or an object keeps."""
    if id(value) in own or isinstance(value, type):
        return []
    if isinstance(value, torch.nn.Module):
        return [_settings(value), *_weights(value, own)]
    if isinstance(value, ModelPatcher):
        whole = [] if value.patches else [value.model]
        return [] if id(value.model) in own else [value.patches, value.object_patches, *whole]
    if isinstance(value, partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, MethodType):
        return [value.__self__, value.__func__]
    cells = [cell.cell_contents for cell in getattr(value, "__closure__", None) or () if _filled(cell)]
    return [*cells, *_defaults(value), _attributes(value)]


def _defaults(function: Any) -> list[Any]:
    found = (getattr(function, name, None) for name in ("__defaults__", "__kwdefaults__"))
    return [each for each in found if each]


def _attributes(value: Any) -> dict[str, Any]:
    names = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    slots = {name: getattr(value, name) for name in names if hasattr(value, name)}
    return {**slots, **getattr(value, "__dict__", {})}


def _settings(module: torch.nn.Module) -> dict[str, Any]:
    """What stands on a network besides its weights, without what torch and ComfyUI note there."""
    return {name: value for name, value in vars(module).items() if not name.startswith(("_", "comfy", "training"))}


def _weights(module: torch.nn.Module, own: Collection[int]) -> Iterator[dict[str, Any]]:
    for part in module.modules():
        if id(part) not in own:
            yield {**part._buffers, **part._parameters}


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
