"""Intervals of means over images of which some share a caption."""

import math
from collections.abc import Sequence

import numpy
from scipy import stats

from adaptive_diffusion.standalone.comparison import Interval


def clustered(values: numpy.ndarray, captions: Sequence[str], kinds: Sequence[int], coverage: float = 0.95) -> Interval:
    """The mean of values (N,), the images of a caption counted as one observation, each kind sampled by itself.

    captions, kinds: what each image shows, and its stratum. The cluster-robust standard error of a stratified mean
    (Cochran, Sampling Techniques, 1977, chapters 5 and 9), and Student's t with the fewest captions of a kind less one.
    """
    variance, fewest = 0.0, math.inf
    for kind in set(kinds):
        inside = numpy.array([one == kind for one in kinds])
        numbers = numpy.unique(numpy.array(captions)[inside], return_inverse=True)[1]
        sums = numpy.bincount(numbers, values[inside] - values[inside].mean())
        groups = len(sums)
        variance += numpy.square(sums).sum() * groups / (groups - 1) / len(values) ** 2
        fewest = min(fewest, groups)
    middle = float(values.mean())
    half = float(stats.t.ppf((1 + coverage) / 2, fewest - 1) * variance**0.5)
    return Interval(middle, middle - half, middle + half)


def told(interval: Interval, sign: str = "") -> str:
    return f"{interval.value:{sign}.3f} ± {interval.high - interval.value:.3f}"
