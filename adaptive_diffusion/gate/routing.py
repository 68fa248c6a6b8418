"""Which images go to the teacher, and what comes of it: quality and cost of every way to route, at every k."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy

from ..comparison import Interval, mean
from .ways import Setting, counted

SHARES = tuple(map(float, range(5, 101, 5)))
PERCENTILE, LEARNED, KEPT_BETTER, PERFECT = "percentile gate", "learned gate", "keep the better", "perfect routing"
STUDENT_ALONE, TEACHER_ALONE, BEST_OF_N = "student alone", "teacher alone", "best of N"


@dataclass(frozen=True)
class Looked:
    """What was found of the images of one way, of the first N prompts.

    scores: the estimator's, (N,). quality: the judge's, (N,).
    evaluations: of an image on average. seconds: to draw and decode one; scoring: to score it.
    """

    scores: numpy.ndarray
    quality: numpy.ndarray
    evaluations: float
    seconds: float
    scoring: float


@dataclass(frozen=True)
class Point:
    """A way to spend: what it gives, and what an image costs on average.

    name: one of the names above. k: the share that goes to the teacher, in percent; None where nothing is routed.
    number: student steps, teacher steps or N, where the name has one. quality: (N,), of each prompt.
    """

    name: str
    setting: Setting | None
    k: float | None
    evaluations: float
    seconds: float
    quality: numpy.ndarray = field(repr=False, compare=False)
    number: int = 0

    @cached_property
    def interval(self) -> Interval:
        """The mean quality, 95 %; a single prompt tells no interval."""
        return mean(self.quality.tolist())

    def __str__(self) -> str:
        named = {
            STUDENT_ALONE: f"the student alone in {counted(self.number)}",
            TEACHER_ALONE: f"the teacher alone in {counted(self.number)}",
            BEST_OF_N: f"the best of {self.number} images of the student",
        }
        return named.get(self.name) or f"{self.setting}, {self.name} at k {self.k:g}"


def alone(name: str, looked: Looked, number: int, setting: Setting | None = None) -> Point:
    """Every image drawn in one way."""
    return Point(name, setting, None, looked.evaluations, looked.seconds, looked.quality, number)


def best_of(candidates: Sequence[Looked]) -> Point:
    """The candidate of each prompt that scores highest; of equal ones the earlier."""
    scores, quality = (numpy.stack([getattr(each, name) for each in candidates]) for name in ("scores", "quality"))
    chosen = scores.argmax(0)
    costs = (sum(each.evaluations for each in candidates), sum(each.seconds + each.scoring for each in candidates))
    return Point(BEST_OF_N, None, None, *costs, quality[chosen, numpy.arange(len(chosen))], len(candidates))


def routes(setting: Setting, student: Looked, teacher: Looked, risks: numpy.ndarray | None) -> list[Point]:
    """Every way to route the images of a setting, at every k of SHARES.

    risks: (N,) that the teacher's image is better, in any scale, by fits that left the image out; None without a gate.
    """
    better = teacher.scores > student.scores
    found = []
    for k in SHARES:
        sent = {PERCENTILE: below(student.scores, k)}
        if risks is not None:
            sent[LEARNED] = below(-risks, k)
        sent[PERFECT] = gaining_most(teacher.quality - student.quality, k)
        found += [_routed(name, setting, k, student, teacher, which, which) for name, which in sent.items()]
        which = sent.get(LEARNED, sent[PERCENTILE])
        found.append(_routed(KEPT_BETTER, setting, k, student, teacher, which, which & better))
    return found


def below(worth: numpy.ndarray, k: float) -> numpy.ndarray:
    """Which of N images lie under the k-th percentile of their worth, as at the gate, (N,) booleans; all at 100."""
    return worth < (math.inf if k == 100 else numpy.percentile(worth, k))


def gaining_most(gain: numpy.ndarray, k: float) -> numpy.ndarray:
    """The k percent of N images that gain most, as nobody knows beforehand, (N,) booleans."""
    chosen = numpy.zeros(len(gain), bool)
    chosen[numpy.argsort(-gain, kind="stable")[: round(len(gain) * k / 100)]] = True
    return chosen


def _routed(
    name: str,
    setting: Setting,
    k: float,
    student: Looked,
    teacher: Looked,
    sent: numpy.ndarray,
    taken: numpy.ndarray,
) -> Point:
    """sent: which images the teacher improves. taken: which of these it is taken for."""
    share = float(sent.mean())
    again = share * teacher.scoring if name == KEPT_BETTER else 0.0
    evaluations = student.evaluations + share * teacher.evaluations
    seconds = student.seconds + student.scoring + share * teacher.seconds + again
    return Point(name, setting, k, evaluations, seconds, numpy.where(taken, teacher.quality, student.quality))
