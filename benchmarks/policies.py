"""Which images the teacher gets, and what comes of it: what an image is worth under each policy, (N,) arrays.

student, improved: worth of the student's image and of the teacher's. scores: the estimator's, of the student's image.
"""

import numpy

from adaptive_diffusion.gate.percentiles import PercentileTable


def rejected(scores: numpy.ndarray, k: float) -> numpy.ndarray:
    """Which images the gate rejects by the percentiles of their own scores, (N,) booleans."""
    return scores < PercentileTable.from_scores("this run", scores.tolist(), {}).threshold(k)


def adaptive(student: numpy.ndarray, improved: numpy.ndarray, scores: numpy.ndarray, k: float) -> numpy.ndarray:
    return numpy.where(rejected(scores, k), improved, student)


def at_random(student: numpy.ndarray, improved: numpy.ndarray, scores: numpy.ndarray, k: float) -> numpy.ndarray:
    """What is expected when as many images go to the teacher, whichever they are."""
    return student + rejected(scores, k).mean() * (improved - student)


def keep_better(
    student: numpy.ndarray, improved: numpy.ndarray, scores: numpy.ndarray, second: numpy.ndarray, k: float
) -> numpy.ndarray:
    """As `adaptive`, but the teacher's image is taken only where its score, `second`, is higher."""
    return numpy.where(rejected(scores, k) & (second > scores), improved, student)


def perfect(student: numpy.ndarray, improved: numpy.ndarray, scores: numpy.ndarray, k: float) -> numpy.ndarray:
    """As many images as the gate rejects, but those that gain most."""
    chosen = numpy.zeros(len(student), bool)
    chosen[numpy.argsort(student - improved, kind="stable")[: rejected(scores, k).sum()]] = True
    return numpy.where(chosen, improved, student)
