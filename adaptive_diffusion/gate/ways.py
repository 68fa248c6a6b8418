"""Ways to draw an image, and the settings of student and teacher that a tuning tries."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from ..quoting import quoted

STUDENT, REFINE, REGENERATE = "student", "refine", "regenerate"
STRATEGIES = (REFINE, REGENERATE)
MOST_SETTINGS = 64


@dataclass(frozen=True)
class Way:
    """How an image of every prompt is drawn.

    strategy: "student", or what the teacher does, "refine" or "regenerate". student_steps: 0 where no student takes
    part. rollback: of refining, else None. candidate: above 0 for another image of the student, from other noise.
    """

    strategy: str
    student_steps: int = 0
    teacher_steps: int = 0
    rollback: float | None = None
    candidate: int = 0

    @property
    def series(self) -> str:
        """What tells the way from others in a journal."""
        parts = [self.strategy, *self._steps, *([f"{self.rollback:.15g}"] if self.rollback else [])]
        return " ".join([*parts, *([f"candidate {self.candidate}"] if self.candidate else [])])

    @property
    def _steps(self) -> list[str]:
        return [str(steps) for steps in (self.student_steps, self.teacher_steps) if steps]


@dataclass(frozen=True)
class Setting:
    """A student's steps, and what the teacher makes of its images; no student where the teacher draws alone."""

    student: Way | None
    teacher: Way

    @property
    def ways(self) -> list[Way]:
        return [self.teacher] if self.student is None else [self.student, self.teacher]

    def __str__(self) -> str:
        steps = counted(self.teacher.teacher_steps)
        if self.student is None:
            return f"the teacher alone in {steps}"
        what = f"refining from {self.teacher.rollback:g}" if self.teacher.rollback else "regenerating"
        return f"{what} in {steps} after {self.student.student_steps} of the student"


def counted(steps: int) -> str:
    return f"{steps} step{'s' * (steps != 1)}"


def student_way(steps: int, candidate: int = 0) -> Way:
    return Way(STUDENT, steps, candidate=candidate)


def settings_of(
    student_steps: Sequence[int], teacher_steps: Sequence[int], rollbacks: Sequence[float], strategies: Sequence[str]
) -> list[Setting]:
    """Every setting once, and the teacher alone in each number of steps; ValueError for what cannot be tried.

    rollbacks: where refining starts, above 0. strategies: some of STRATEGIES.
    """
    check_numbers("student_steps", student_steps, 1)
    check_numbers("teacher_steps", teacher_steps, 1)
    for strategy in strategies:
        if strategy not in STRATEGIES:
            raise ValueError(f"there is no strategy {quoted(strategy)}; choose from {' and '.join(STRATEGIES)}")
    if REFINE in strategies:
        check_numbers("rollback", rollbacks, 0)
    gated = [
        Setting(student_way(steps), way)
        for steps, strategy, redrawn in product(student_steps, strategies, teacher_steps)
        for way in _teachers(strategy, steps, redrawn, rollbacks)
    ]
    found = list(dict.fromkeys([*gated, *alone(teacher_steps)]))
    if not gated:
        raise ValueError("there is nothing to try; choose at least one strategy")
    if len(found) > MOST_SETTINGS:
        raise ValueError(f"{len(found)} settings came; choose at most {MOST_SETTINGS}")
    return found


def alone(teacher_steps: Iterable[int]) -> list[Setting]:
    """The teacher without a student, from pure noise."""
    return [Setting(None, Way(REGENERATE, teacher_steps=steps)) for steps in teacher_steps]


def _teachers(strategy: str, student_steps: int, steps: int, rollbacks: Sequence[float]) -> list[Way]:
    if strategy == REGENERATE:
        return [Way(REGENERATE, teacher_steps=steps)]
    return [Way(REFINE, student_steps, steps, rollback) for rollback in rollbacks]


def check_numbers(name: str, values: Sequence[float], least: float) -> None:
    """ValueError unless there is a number, and all are at least 1 (where that is `least`) or above 0."""
    if not values:
        raise ValueError(f"{name} is empty; write at least one number")
    for value in values:
        if not (value >= least and value > 0):
            raise ValueError(f"{name} holds {value:g}; write numbers {'from 1' if least else 'above 0'}")
