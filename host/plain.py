"""Values of numpy and torch as Python's own, so that they compare, print and become JSON as ComfyUI expects."""

from typing import Any

import numpy
import torch


def plain(value: Any) -> Any:
    """A number of numpy or torch as Python's, a row of them (N,) as a list; anything else as it is."""
    if isinstance(value, numpy.generic) or (isinstance(value, (numpy.ndarray, torch.Tensor)) and value.ndim == 0):
        return value.item()
    if isinstance(value, (numpy.ndarray, torch.Tensor)) and value.ndim == 1:
        return value.tolist()
    return value


def numbers(values: Any) -> list[float] | None:
    """The numbers in nested lists of them, in order; None where anything else is among them."""
    found: list[float] = []
    for value in map(plain, values):
        inner = numbers(value) if isinstance(value, (list, tuple)) else [value]
        if inner is None or not all(isinstance(number, (int, float)) for number in inner):
            return None
        found += inner
    return found
