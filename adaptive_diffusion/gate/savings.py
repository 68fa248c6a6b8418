"""What images took, all of it, beside what the student or the teacher alone would have taken."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Expense:
    """seconds of the clock. evaluations: rows of a network, those for guidance among them; None where not counted."""

    seconds: float = 0.0
    evaluations: float | None = 0.0

    def __add__(self, other: "Expense") -> "Expense":
        counted = None not in (self.evaluations, other.evaluations)
        total = (self.evaluations or 0.0) + (other.evaluations or 0.0) if counted else None
        return Expense(self.seconds + other.seconds, total)

    def __mul__(self, times: float) -> "Expense":
        return Expense(self.seconds * times, None if self.evaluations is None else self.evaluations * times)


NOTHING = Expense()


@dataclass(frozen=True)
class Bill:
    """What so many images took, of which `rejected` went to the teacher.

    student: loading, text, drawing and decoding of all images. judging: the estimator, and what else neither of both
    alone would need. teacher: drawing and decoding of the rejected. loading: seconds of what the teacher needs
    once, however many images it draws: its models and texts.
    """

    images: int = 0
    rejected: int = 0
    student: Expense = NOTHING
    judging: Expense = NOTHING
    teacher: Expense = NOTHING
    loading: float = 0.0

    def __add__(self, other: "Bill") -> "Bill":
        """Both together. A teacher that stays in memory is loaded once: the longer loading counts for it alone."""
        return Bill(
            self.images + other.images,
            self.rejected + other.rejected,
            self.student + other.student,
            self.judging + other.judging + Expense(min(self.loading, other.loading)),
            self.teacher + other.teacher,
            max(self.loading, other.loading),
        )

    @property
    def spent(self) -> Expense:
        return self.student + self.judging + self.teacher + Expense(self.loading)

    def teacher_alone(self, alike: "Bill") -> Expense | None:
        """What the teacher would have taken for all images, by what it took for the rejected ones, or where there were
        none, for those of `alike`; None where it drew none there either. The student and the judge are left out.
        """
        priced = self if self.rejected else alike
        if not priced.rejected:
            return None
        return priced.teacher * (self.images / priced.rejected) + Expense(priced.loading)

    def told(self, alike: "Bill") -> dict[str, Any]:
        """As JSON holds it: images, rejected, seconds, evaluations, and both for student and teacher alone."""
        alone = self.teacher_alone(alike)
        return {
            "images": self.images,
            "rejected": self.rejected,
            **asdict(self.spent),
            "student": asdict(self.student),
            "teacher": alone and asdict(alone),
        }
