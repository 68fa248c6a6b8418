"""How well risks tell the images that the teacher betters from the others."""

import numpy
from scipy.stats import norm, rankdata

from ..comparison import COVERAGE, Interval


def area(risks: numpy.ndarray, improved: numpy.ndarray, clusters: numpy.ndarray) -> Interval:
    """The chance that an improved image has a higher risk than another one (AUC; ties count half), with its interval.

    risks (N,). improved (N,): booleans, of both kinds. clusters (N,): numbers; images of one count as one observation.
    Each image's part in the area (DeLong et al., Biometrics 44, 1988), summed by cluster (Obuchowski, Biometrics 53,
    1997).
    """
    above, below = improved.sum(), (~improved).sum()
    ranks = rankdata(risks)
    parts = numpy.empty(len(risks))
    parts[improved] = (ranks[improved] - rankdata(risks[improved])) / below
    parts[~improved] = 1 - (ranks[~improved] - rankdata(risks[~improved])) / above
    value = float(parts[improved].mean())
    parts = numpy.where(improved, (parts - value) / above, (parts - value) / below)
    sums = numpy.bincount(numpy.unique(clusters, return_inverse=True)[1], parts)
    half = float(norm.ppf((1 + COVERAGE) / 2) * (numpy.square(sums).sum() * len(sums) / max(len(sums) - 1, 1)) ** 0.5)
    return Interval(value, max(0.0, value - half), min(1.0, value + half))
