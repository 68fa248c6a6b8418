"""Score and features on one scale, the features along the few directions in which they vary most."""

from dataclasses import dataclass

import numpy
from scipy.linalg import eigh

MOST_COMPONENTS = 128
SCORE = 3.0
WORST = 10  # percent of the scores that count as equal
_CONSTANT = 1e-6


@dataclass(frozen=True)
class Components:
    """Columns, the score first, as a regression takes them: (x - mean) @ directions, where no score lies under `floor`.

    Each has the deviation 1, the score SCORE, so that a penalty holds for it less: it sums up what the estimator saw.
    Scores of failed images lie far under the others, by distances that say no more, and would decide the deviation: the
    lowest WORST percent count as equal (winsorised; Tukey 1962, doi 10.1214/aoms/1177704711).
    The features are turned into their principal components (Hotelling 1933). mean (D,), directions (D, C).
    """

    mean: numpy.ndarray
    directions: numpy.ndarray
    floor: float

    @classmethod
    def of(cls, x: numpy.ndarray) -> "Components":
        """Those of x (N, D): the score and at most MOST_COMPONENTS components of the features."""
        floor = float(numpy.percentile(x[:, 0], WORST, method="higher"))
        x = raised(x, floor)
        mean, deviation = x.mean(0), x.std(0)
        varies = deviation > _CONSTANT * numpy.abs(x).max(0)
        scale = numpy.divide(1, deviation, out=numpy.zeros_like(deviation), where=varies)
        turn = _turn((x[:, 1:] - mean[1:]) * scale[1:])
        directions = numpy.zeros((x.shape[1], 1 + turn.shape[1]))
        directions[0, 0] = SCORE * scale[0]
        directions[1:, 1:] = scale[1:, None] * turn
        return cls(mean, directions, floor)

    def __call__(self, x: numpy.ndarray) -> numpy.ndarray:
        """Rows (N, D) to what a regression takes, (N, C)."""
        return (raised(x, self.floor) - self.mean) @ self.directions


def raised(x: numpy.ndarray, floor: float) -> numpy.ndarray:
    """Rows (N, D) whose score, the first column, is at least `floor`."""
    return numpy.column_stack([numpy.maximum(x[:, 0], floor), x[:, 1:]])


def _turn(features: numpy.ndarray) -> numpy.ndarray:
    """The directions (F, C) in which features (N, F) of mean 0 vary most, from products of the shorter side."""
    count = min(MOST_COMPONENTS, *features.shape)
    if count == features.shape[1]:
        return numpy.eye(count)
    last = min(features.shape) - 1
    if len(features) < features.shape[1]:
        values, left = eigh(features @ features.T, subset_by_index=(last - count + 1, last))
        kept = values > _CONSTANT * values[-1]
        return features.T @ left[:, kept] / numpy.sqrt(values[kept])
    return eigh(features.T @ features, subset_by_index=(last - count + 1, last))[1]
