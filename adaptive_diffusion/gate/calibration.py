"""Calibrating: what is found of many prompts, journalled as it comes, and saved as a table, or as pairs for a gate."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ..locks import locked
from ..parts import parts
from ..prompts import described
from ..quoting import quoted
from .journal import KIND, SCORES, Columns, Journal, Row, remove_own, scores_of, stacked
from .percentiles import PercentileTable
from .student import Student, differences

JOURNAL = ".journal"
CHUNK = 32
Found = tuple[int, Columns]
Made = TypeVar("Made", covariant=True)
T = TypeVar("T")


class Work(Protocol[Made]):
    """What a calibration makes, called `kind` in sentences; see Task."""

    kind: str

    @property
    def batches(self) -> list[range]: ...

    def about(self) -> dict[str, Any]: ...

    def make(self, path: Path, rows: Mapping[int, Row]) -> Made: ...

    def load(self, path: Path) -> tuple[Made, Mapping[str, Any]]: ...


@dataclass(frozen=True)
class Prompts:
    """What is drawn and scored. estimator: fields of Judge. Prompt i is drawn with seed + i, `batch` at a time."""

    estimator: Mapping[str, str]
    student: Student
    prompts: Sequence[str]
    seed: int
    batch: int

    @property
    def batches(self) -> list[range]:
        """The numbers of the prompts that are drawn together."""
        return batches_of(len(self.prompts), self.batch)

    @property
    def described(self) -> dict[str, Any]:
        """Its prompts and their seeds, as tables record them."""
        return described(self.prompts, self.seed)

    def about(self) -> dict[str, Any]:
        """What must be the same for a run to go on where another stopped."""
        student = self.student.settings
        return {"estimator": self.estimator, "student": student, "prompts": self.described, "batch": self.batch}


@dataclass(frozen=True)
class Task(Prompts):
    """A table to make."""

    kind = "table"

    def make(self, path: Path, rows: Mapping[int, Row]) -> PercentileTable:
        """Save the table of what was found of all prompts at `path`."""
        scores = stacked(rows, SCORES, range(len(self.prompts))).tolist()
        table = PercentileTable.from_scores(path.stem, scores, self.estimator, self.student, self.described)
        table.save(path)
        return table

    def load(self, path: Path) -> tuple[PercentileTable, Mapping[str, Any]]:
        """The table at `path`, and what it says of itself."""
        table = PercentileTable.load(path)
        return table, {"estimator": table.estimator, "student": table.student, "prompts": table.prompts}


def calibrate(
    path: Path,
    task: Work[Made],
    draw: Callable[[Sequence[int]], Iterable[Found]],
    tell: Callable[[Mapping[int, float]], object],
) -> Made:
    """What the task makes at `path`, made now unless it is there: what an earlier run has found is not drawn again.

    draw: given the numbers of the prompts that the batches still to do begin with, yields each with what was found of
    the batch, its scores among it. tell: called with all scores by prompt number after every batch. ValueError where
    the file or the journal at `path` is of another task, or another process is at work on it.
    """
    with locked(path):
        made = _finished(path, task) if path.exists() else _made(path, task, draw, tell)
        remove_own(path.with_suffix(JOURNAL), task.kind)
    return made


def batches_of(total: int, batch: int) -> list[range]:
    """The numbers of the prompts that are drawn together, of so many at most."""
    return [range(rows.start, rows.stop) for rows in parts(total, batch)]


def chunks(batches: Sequence[T], batch: int, images: int = CHUNK) -> Iterator[Sequence[T]]:
    """The batches, of so many images each, in parts of about `images`: in each part the models take turns once."""
    size = max(1, images // batch)
    return (batches[i : i + size] for i in range(0, len(batches), size))


def draw_missing(
    journal: Journal,
    batches: Iterable[range],
    draw: Callable[[Sequence[int]], Iterable[Found]],
    tell: Callable[[Mapping[int, float]], object],
    series: str = "",
) -> None:
    """Draw those of the batches that the journal lacks; see `calibrate`."""
    rows = journal.of(series)
    missing = [batch[0] for batch in batches if not {*batch} <= rows.keys()]
    for first, columns in draw(missing) if missing else ():
        journal.add(first, columns, series)
        tell(scores_of(rows))


def _made(
    path: Path,
    task: Work[Made],
    draw: Callable[[Sequence[int]], Iterable[Found]],
    tell: Callable[[Mapping[int, float]], object],
) -> Made:
    journal = Journal(path.with_suffix(JOURNAL), {KIND: task.kind, **task.about()})
    draw_missing(journal, task.batches, draw, tell)
    return task.make(path, journal.rows)


def _finished(path: Path, task: Work[Made]) -> Made:
    """What this calibration has made already; ValueError where it is another's."""
    made, found = task.load(path)
    about = task.about()
    if told := differences(found, {part: about[part] for part in found}):
        raise ValueError(f"{task.kind} {quoted(path.stem)} exists with {', '.join(told)}; choose another name")
    return made
