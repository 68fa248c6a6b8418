"""Lists of numbers, whatever they are nested in."""

from typing import Any

import numpy
import torch

from ..adaptive_diffusion.numeric import plain


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
