"""Seconds of work, so that machines that do other things too can be measured on."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Seconds(NamedTuple):
    """processor: of all threads of this process, which other work hardly moves. wall: by the clock."""

    processor: float
    wall: float


def timed(work: Callable[[], object]) -> Seconds:
    begun = Seconds(time.process_time(), time.perf_counter())
    work()
    return Seconds(time.process_time() - begun.processor, time.perf_counter() - begun.wall)


def median(column: Sequence[Seconds]) -> Seconds:
    return Seconds(*map(statistics.median, zip(*column, strict=True)))


def median_ratio(column: Sequence[Seconds], base: Sequence[Seconds]) -> Seconds:
    """The median over the rounds of how many times as long as `base` the column took in the same round."""
    pairs = [Seconds(a.processor / b.processor, a.wall / b.wall) for a, b in zip(column, base, strict=True)]
    return median(pairs)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
