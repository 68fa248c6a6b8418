"""Simulated runs whose prompts become harder or easier half-way: a threshold that follows them beside a fixed one.

    python -m benchmarks.drift [--runs 200]

Each run: a table calibrated on 500 scores, then 5,000 images in queued runs of 1, 4 or 16, their scores normal, shifted
by one standard deviation from the middle on. "whole run" is the share rejected in all of it, "after" the probability
that a new image is rejected, averaged over the images 300 to 2,500 after the shift.
"""

import argparse
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy
from scipy import special

from adaptive_diffusion.gate.drift import RunningThreshold
from adaptive_diffusion.gate.percentiles import PercentileTable

CALIBRATION, IMAGES, SETTLED = 500, 5000, 300
TOLERANCE = 2.0
TARGETS = (20, 50, 80)
CASES = (("harder", -1.0, 1), ("harder", -1.0, 4), ("harder", -1.0, 16), ("easier", 1.0, 4), ("the same", 0.0, 4))


class Distribution(NamedTuple):
    """Of scores: its quantile function and the inverse of that."""

    quantile: Callable[[numpy.ndarray], numpy.ndarray]
    inverse: Callable[[numpy.ndarray], numpy.ndarray]


class Shares(NamedTuple):
    """In percent: images rejected in the whole run, and the probability of it once the shift is some time ago."""

    whole: float
    after: float


NORMAL = Distribution(special.ndtri, special.ndtr)


def step(shift: float) -> numpy.ndarray:
    """(IMAGES,) what is added to the scores when the prompts change in the middle."""
    return numpy.repeat([0.0, shift], IMAGES // 2)


def simulate(
    seed: int, k: float, shift: numpy.ndarray, batch: int, scores: Distribution = NORMAL, misled: float = 0.0
) -> tuple[Shares, Shares]:
    """One run as the tracked and as the fixed threshold judge it. misled: what the table's scores are too high."""
    generator = numpy.random.default_rng(seed)
    calibration = scores.quantile(generator.random(CALIBRATION)) + misled
    table = PercentileTable.from_scores("simulated", calibration.tolist(), {})
    values = scores.quantile(generator.random(IMAGES)) + shift
    ways = (track(table, values, k, batch), numpy.full(IMAGES, table.threshold(k)))
    tracked, fixed = (_shares(values < tau, scores.inverse(tau - shift)) for tau in ways)
    return tracked, fixed


def track(table: PercentileTable, values: numpy.ndarray, k: float, batch: int) -> numpy.ndarray:
    """The threshold that each of the scores met when they came in queued runs of `batch`."""
    running = RunningThreshold.start(table)
    thresholds = []
    for first in range(0, len(values), batch):
        run = values[first : first + batch].tolist()
        threshold, running = running.judge(run, k)
        thresholds += [threshold] * len(run)
    return numpy.array(thresholds)


def _shares(rejected: numpy.ndarray, probability: numpy.ndarray) -> Shares:
    return Shares(100 * float(rejected.mean()), 100 * float(probability[IMAGES // 2 + SETTLED :].mean()))


def within(shares: Sequence[float], k: float) -> float:
    """How many in a hundred of the shares lie within the tolerance of k."""
    return 100 * float(numpy.mean(numpy.abs(numpy.array(shares) - k) <= TOLERANCE))


def row(name: str, shift: float, batch: int, k: float, runs: int) -> str:
    judged = zip(*(simulate(seed, k, step(shift), batch) for seed in range(runs)), strict=True)
    columns = [shares for way in judged for shares in zip(*way, strict=True)]
    cells = [f"{numpy.median(shares):5.1f} % {within(shares, k):9.1f} %" for shares in columns]
    return " | ".join([f"{name:8} {batch:5} {k:3} %", *cells])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    runs = parser.parse_args().runs
    print(
        f"{runs} runs of {IMAGES} images: the median share, and in how many runs it is within {TOLERANCE:g} points of k"
    )
    print("prompts  batch     k | tracked: whole run | tracked: after     | fixed: whole run   | fixed: after")
    for case in CASES:
        for k in TARGETS:
            print(row(*case, k, runs), flush=True)


if __name__ == "__main__":
    main()
