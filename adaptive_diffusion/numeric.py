"""Numbers that others give: made Python's own, finite, and in a range; each range in one place."""

import math
from dataclasses import dataclass
from typing import Any

import numpy
import torch

from .quoting import quoted


@dataclass(frozen=True)
class Range:
    """Finite numbers from `low` to `high`, both included; called `noun` where someone is to choose one."""

    low: float = -math.inf
    high: float = math.inf
    noun: str = "number"
    whole: bool = False

    def of(self, name: str, value: Any) -> Any:
        """The number called `name`, as Python's int or float; ValueError where it is none of these."""
        number = plain(value)
        if not isinstance(number, (int, float)):
            raise ValueError(f"{name} is {quoted(number)}; give a {self.noun}")
        if not self.low <= number <= self.high or number in (math.inf, -math.inf) or self._is_between(number):
            told = f"{number:g}" if isinstance(number, float) else quoted(number)
            raise ValueError(f"{name} is {told}; choose a {self}")
        return int(number) if self.whole else number

    def _is_between(self, number: float) -> bool:
        return self.whole and number != int(number)

    def __str__(self) -> str:
        if math.isfinite(self.high):
            return f"{self.noun} from {self.low} to {self.high}"
        return f"finite {self.noun}" + (f" from {self.low} on" if math.isfinite(self.low) else "")


def whole(low: int, high: int) -> Range:
    return Range(low, high, "whole number", whole=True)


ANY = Range()
PERCENT = Range(0, 100, "percentage")
SAFE = Range(0, 50, "percentage")  # the share that is promised at most; 0 for no promise
GUIDANCE = Range(0, 100)
STEPS = whole(1, 1000)
SIDE = whole(8, 16384)
IMAGES = whole(1, 100_000)
COUNT = whole(1, 1_000_000_000)
SEED = whole(-(2**63), 2**64 - 1)  # what a generator of torch takes


def plain(value: Any) -> Any:
    """A number of numpy or torch as Python's; anything else as it is."""
    if isinstance(value, numpy.generic) or (isinstance(value, (numpy.ndarray, torch.Tensor)) and value.ndim == 0):
        return value.item()
    return value
