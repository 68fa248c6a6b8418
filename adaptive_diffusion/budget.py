"""What a percentile k costs, and which k a cost allows (average steps as in arXiv 2312.10835, section 5)."""


def average_steps(student_steps: int, teacher_steps: int, k: float) -> float:
    """Expected steps per image when the worst `k` percent (0..100) of the student's images go to the teacher."""
    _check(student_steps, teacher_steps)
    if not 0 <= k <= 100:
        raise ValueError(f"k is {k:g}; choose a percentage from 0 to 100")
    return student_steps + teacher_steps * k / 100


def k_for_average(student_steps: int, teacher_steps: int, average: float) -> float:
    """The percentage k at which the expected steps per image are `average`; the inverse of `average_steps`."""
    _check(student_steps, teacher_steps)
    if not student_steps <= average <= student_steps + teacher_steps:
        raise ValueError(
            f"an average of {average:g} steps cannot be met; "
            f"choose from {student_steps} (never the teacher) to {student_steps + teacher_steps} (always)"
        )
    return 100 * (average - student_steps) / teacher_steps


def _check(student_steps: int, teacher_steps: int) -> None:
    if student_steps < 1 or teacher_steps < 1:
        raise ValueError(f"steps are {student_steps} (student) and {teacher_steps} (teacher); both must be at least 1")
