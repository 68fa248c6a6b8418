"""What a percentile k costs, and which k a cost allows (average steps as in arXiv 2312.10835, section 5)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Spent:
    """What drawing one image took, counted where the model is called.

    steps: of the sampler. evaluations: rows of the network, those for guidance among them.
    failed: whether no image came out, so that the one before is kept.
    """

    steps: int
    evaluations: float
    failed: bool = False

    def __add__(self, other: "Spent") -> "Spent":
        steps, evaluations = self.steps + other.steps, self.evaluations + other.evaluations
        return Spent(steps, evaluations, self.failed or other.failed)


@dataclass(frozen=True)
class Costs:
    """What every image costs at the student, and what a rejected one costs more at the teacher, in `unit`."""

    student: float
    teacher: float
    unit: str = "steps"

    def __post_init__(self) -> None:
        if self.student <= 0 or self.teacher <= 0:
            raise ValueError(
                f"an image costs {self.student:g} {self.unit} at the student and {self.teacher:g} at the teacher; "
                "both must be above 0"
            )

    def average(self, k: float) -> float:
        """Expected cost per image when the worst `k` percent (0..100) of the student's images go to the teacher."""
        if not 0 <= k <= 100:
            raise ValueError(f"k is {k:g}; choose a percentage from 0 to 100")
        return self.student + self.teacher * k / 100

    def k_for(self, average: float) -> float:
        """The percentage k at which the expected cost per image is `average`; the inverse of `average`."""
        if not self.student <= average <= self.student + self.teacher:
            raise ValueError(
                f"an average of {average:g} {self.unit} cannot be met; choose from {self.student:g} "
                f"(never the teacher) to {self.student + self.teacher:g} (always)"
            )
        return 100 * (average - self.student) / self.teacher


def evaluations(steps: int, cfg: float) -> int:
    """Model evaluations of one image: guidance other than 1 takes two a step (arXiv 2207.12598)."""
    return steps * (1 if cfg == 1 else 2)
