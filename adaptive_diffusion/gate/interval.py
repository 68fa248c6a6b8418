"""A value, and between what it lies."""

from dataclasses import dataclass

COVERAGE = 0.95


@dataclass(frozen=True)
class Interval:
    """A value and between what it lies; NaN where nothing is known."""

    value: float
    low: float
    high: float
