"""Values of numpy and torch as Python's own, so that they compare, print and become JSON as ComfyUI expects."""

from typing import Any

import numpy
import torch


def plain(value: Any) -> Any:
    """A number of numpy or torch as Python's; anything else as it is."""
    if isinstance(value, numpy.generic) or (isinstance(value, (numpy.ndarray, torch.Tensor)) and value.ndim == 0):
        return value.item()
    return value


def numbers(values: Any) -> list[float] | None:
    """The numbers in nested lists and rows of them, in order; None where anything else is among them."""
    found: list[float] = []
    for value in map(plain, values):
        nested = isinstance(value, (list, tuple, numpy.ndarray, torch.Tensor))
        inner = numbers(value) if nested else [value]
        if inner is None or not all(isinstance(number, (int, float)) for number in inner):
            return None
        found += inner
    return found
