"""What benchmarks.drawing left, under every policy, with intervals."""

from functools import cache
from pathlib import Path

import numpy

from adaptive_diffusion.comparison import Interval
from benchmarks import policies
from benchmarks.drawing import Drawn, drawn, scenes
from benchmarks.ways import STUDENT, Way
from training.evaluate import by_caption

POLICIES = {"adaptive": policies.adaptive, "random": policies.at_random, "perfect": policies.perfect}


class Measured:
    """What lies in the folder from noise seed number `first` on, and intervals over it."""

    def __init__(self, folder: Path, first: int = 0):
        self.folder, self.first = folder, first

    def drawn(self, way: Way) -> Drawn:
        """All replicates, one after the other."""
        return _drawn(self.folder, way, self.first)

    def interval(self, values: numpy.ndarray, coverage: float = 0.95) -> Interval:
        return by_caption(values, scenes() * (len(values) // len(scenes())), coverage)

    def policy(self, name: str, improved: Way, k: float) -> numpy.ndarray:
        """What every image is worth when the teacher gets k percent of the student's."""
        student = self.drawn(STUDENT)
        return POLICIES[name](student.exact, self.drawn(improved).exact, student.scores, k)

    def kept_better(self, improved: Way, k: float) -> numpy.ndarray:
        student, second = self.drawn(STUDENT), self.drawn(improved)
        return policies.keep_better(student.exact, second.exact, student.scores, second.scores, k)

    def cost(self, improved: Way, k: float) -> float:
        """Evaluations of one image, on average."""
        share = policies.rejected(self.drawn(STUDENT).scores, k).mean()
        return float(STUDENT.evaluations + share * improved.evaluations)


@cache
def _drawn(folder: Path, way: Way, first: int) -> Drawn:
    parts = [drawn(folder, way, first + i) for i in range(way.replicates)]
    return Drawn(*(numpy.concatenate(column) for column in zip(*parts, strict=True)))
