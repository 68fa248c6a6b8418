"""Lists of numbers, whatever they are nested in."""

import math
from typing import Any

import numpy
import torch

from ..adaptive_diffusion.numeric import plain

DEEPEST = 8


def numbers(values: Any, depth: int = DEEPEST) -> list[float] | None:
    """The numbers in nested lists and rows of them, in order; None where anything else is among them.

    depth: how far lists may lie in each other.
    """
    found: list[float] = []
    for value in map(plain, values):
        nested = isinstance(value, (list, tuple, numpy.ndarray, torch.Tensor))
        inner = (numbers(value, depth - 1) if depth else None) if nested else [value]
        if inner is None or not all(isinstance(number, (int, float)) for number in inner):
            return None
        found += map(as_float, inner)
    return found


def as_float(number: float) -> float:
    """The number as Python's float; infinite where it is a whole one that no float holds."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf
