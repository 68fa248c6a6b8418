"""Calibrating: a student's scores for many prompts, journalled as they come, and saved as their table."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..locks import locked
from ..prompts import described
from ..quoting import quoted
from .journal import Journal
from .percentiles import PercentileTable
from .student import Student, differences

JOURNAL = ".journal"
Scored = tuple[int, Sequence[float]]


@dataclass(frozen=True)
class Task:
    """What is calibrated. estimator: fields of Judge. Prompt i is drawn with seed + i, `batch` prompts at a time."""

    estimator: Mapping[str, str]
    student: Student
    prompts: Sequence[str]
    seed: int
    batch: int

    @property
    def batches(self) -> list[range]:
        """The numbers of the prompts that are drawn together."""
        total = len(self.prompts)
        return [range(first, min(first + self.batch, total)) for first in range(0, total, self.batch)]

    def about(self) -> dict[str, Any]:
        """What must be the same for a run to go on where another stopped."""
        prompts = described(self.prompts, self.seed)
        student = self.student.settings
        return {"estimator": self.estimator, "student": student, "prompts": prompts, "batch": self.batch}


def calibrate(
    path: Path,
    task: Task,
    score: Callable[[Sequence[int]], Iterable[Scored]],
    tell: Callable[[Mapping[int, float]], None],
) -> PercentileTable:
    """The task's table at `path`, made now unless it is there: what an earlier run has scored is not scored again.

    score: given the numbers of the prompts that the batches still to do begin with, yields each with the batch's
    scores. tell: called with all scores by prompt number after every batch. ValueError where the table or the journal
    at `path` is of another task, or another process is at work on it.
    """
    with locked(path):
        table = _finished(path, task) if path.exists() else _made(path, task, score, tell)
        path.with_suffix(JOURNAL).unlink(missing_ok=True)
    return table


def _made(
    path: Path,
    task: Task,
    score: Callable[[Sequence[int]], Iterable[Scored]],
    tell: Callable[[Mapping[int, float]], None],
) -> PercentileTable:
    journal = Journal(path.with_suffix(JOURNAL), task.about())
    for first, scores in score([batch[0] for batch in task.batches if not {*batch} <= journal.scores.keys()]):
        journal.add(first, scores)
        tell(journal.scores)
    ordered = [journal.scores[i] for i in range(len(task.prompts))]
    prompts = described(task.prompts, task.seed)
    table = PercentileTable.from_scores(path.stem, ordered, task.estimator, task.student, prompts)
    table.save(path)
    return table


def _finished(path: Path, task: Task) -> PercentileTable:
    """The table that this calibration has made already; ValueError where it is another's."""
    table, about = PercentileTable.load(path), task.about()
    parts = ("estimator", "student", "prompts")
    if told := differences({part: getattr(table, part) for part in parts}, {part: about[part] for part in parts}):
        raise ValueError(f"table {quoted(path.stem)} exists with {', '.join(told)}; choose another name")
    return table
