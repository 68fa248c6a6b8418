"""What an image costs on average, in steps or model evaluations: as counted where it was, else by its settings."""

from collections.abc import Sequence

from ..quoting import quoted
from .cost import evaluations
from .student import Student

STEPS, EVALUATIONS = "steps", "model evaluations"


def cost_of_students(students: Sequence[Student], unit: str) -> float:
    """The mean over all images of these batches, every candidate of an image counted.

    ValueError where neither counts nor settings are known.
    """
    costs = [cost for student in students for cost in _costs(student, unit)]
    return sum(costs) / len(costs)


def cost_of_settings(steps: int, cfg: float, sampler: str, negative: bool, unit: str) -> int:
    """Of an image drawn with these settings; negative: whether one is linked.

    ValueError where it is not known how often the sampler evaluates the model.
    """
    found = steps if unit == STEPS else evaluations(steps, cfg, sampler, negative)
    if found is None:
        raise ValueError(
            f"how often sampler {quoted(sampler)} evaluates the model is not known; choose unit seconds or steps"
        )
    return found


def _costs(student: Student, unit: str) -> list[float]:
    """One for each image of a batch, or one for all."""
    if student.spent:
        return [spent.steps if unit == STEPS else spent.evaluations for spent in student.spent]
    if student.steps is None or student.cfg is None or student.sampler is None:
        raise ValueError("the linked student does not tell its settings; take the link off and set student_steps")
    return [cost_of_settings(student.steps, student.cfg, student.sampler, student.cfg != 1, unit)]
