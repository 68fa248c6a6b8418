"""Percentile tables: how an estimator's scores are distributed over one student's images.

The threshold tau is the k-th percentile of such scores (arXiv 2312.10835, section 4.3).
"""

import datetime
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy

from ..files import write_atomically
from ..locks import locked
from ..quoting import quoted, unquoted
from ..reading import MOST_JSON, read_json, told
from .description import alike, check_description, check_format, joined, joined_prompts
from .judge import Judge, check_same
from .student import Student

FORMAT = "adaptive-diffusion percentiles"
VERSION = 1
THIS_RUN = "this run"  # what the table is called that is made of the scores at hand
KNOTS = tuple(range(10, 100, 10))
MOST_KNOTS = 10_000
_DESCRIPTION = ("estimator", "student", "prompts", "created", "source")


@dataclass(frozen=True)
class PercentileTable:
    """Percentiles of student scores, with what is known of how they were made.

    percentiles: {k in percent: score}, strictly inside 0..100, scores not decreasing.
    scores: the raw scores, where kept, ascending; any k is then exact.
    estimator (fields of Judge), student (of Student), prompts {name, count}: empty where unknown.
    created: when the last score came, in UTC.
    """

    name: str
    percentiles: Mapping[float, float]
    scores: tuple[float, ...] = ()
    estimator: Mapping[str, Any] = field(default_factory=dict)
    student: Mapping[str, Any] = field(default_factory=dict)
    prompts: Mapping[str, Any] = field(default_factory=dict)
    created: str = ""
    source: str = ""

    @classmethod
    def load(cls, path: Path) -> "PercentileTable":
        """Read a table file, in this project's form or the official {"10": score, ...}; ValueError if it is neither."""
        content = read_json(path, f"table {quoted(path.stem)} is not a complete JSON file; make it again")
        with told(f"table {quoted(path.stem)} is damaged; make it again", ValueError):
            return cls.parse(content, path.stem)

    @classmethod
    def parse(cls, content: Any, name: str) -> "PercentileTable":
        """Build a table from parsed JSON; see `load`."""
        if not isinstance(content, dict) or not content:
            raise ValueError(f'table {quoted(name)} holds no percentiles; expected an object such as {{"50": 0.6}}')
        if "percentiles" not in content:
            return cls(name, _knots(content, name))
        check_format(content, FORMAT, VERSION, f"table {quoted(name)}")
        scores = _ascending(content.get("scores", ()), name)
        percentiles = _knots(content["percentiles"], name)
        _check_agreement(percentiles, scores, name)
        described = {key: content[key] for key in _DESCRIPTION if content.get(key)}
        for key, value in described.items():
            check_description(key, value, f"table {quoted(name)}")
        return cls(name, percentiles, scores, **described)

    @classmethod
    def from_scores(
        cls,
        name: str,
        scores: Iterable[float],
        estimator: Mapping[str, Any],
        student: Student | None = None,
        prompts: Mapping[str, Any] | None = None,
        source: str = "",
    ) -> "PercentileTable":
        """A table of raw `scores`, so that every k from 0 to 100 is exact (numpy.percentile, linear)."""
        values = _ascending(list(scores), name)
        if not values:
            raise ValueError(f"table {quoted(name)} would hold no scores; score at least one image")
        known = student.settings if student else {}
        created = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        return cls(name, _deciles(values), values, estimator, known, prompts or {"count": len(values)}, created, source)

    def threshold(self, k: float) -> float:
        """The score below which the worst `k` percent lie; -inf at k=0 (accept all), +inf at k=100 (reject all)."""
        if not 0 <= k <= 100:
            raise ValueError(f"k is {k:g}; choose a percentage from 0 to 100")
        if k in (0, 100):
            return math.inf if k else -math.inf
        if self.scores:
            return float(numpy.percentile(self.scores, k))
        knots = sorted(self.percentiles)
        if not knots[0] <= k <= knots[-1]:
            raise ValueError(
                f"k is {k:g}, but table {quoted(self.name)} only knows {knots[0]:g} to {knots[-1]:g}; "
                "choose a k in that range, 0 or 100, or make a table of your own scores"
            )
        return float(numpy.interp(k, knots, [self.percentiles[x] for x in knots]))

    def percentiles_of(self, scores: Sequence[float]) -> numpy.ndarray:
        """Where scores lie among the raw ones, at least 2, each 0..100: `threshold` makes the score of it again.

        Of equal ones the middle; 0 and 100 beyond the least and the greatest.
        """
        values, first, copies = numpy.unique(self.scores, return_index=True, return_counts=True)
        last = len(self.scores) - 1
        return numpy.interp(scores, values, first + (copies - 1) / 2, 0, last) * 100 / last

    def merge(self, other: "PercentileTable") -> "PercentileTable":
        """The table of both tables' raw scores, the same whichever comes first; it is called as this one.

        Refuses tables of another estimator or student, naming what differs. Every score counts, so that a table
        merged twice counts double: scores carry no name to tell the same image from another of equal score.
        """
        for table in (self, other):
            if not table.scores:
                raise ValueError(
                    f"table {quoted(table.name)} keeps no raw scores, so it cannot be merged; make it again"
                )
        scores = tuple(sorted(self.scores + other.scores))
        return replace(
            self,
            percentiles=_deciles(scores),
            scores=scores,
            estimator=_common_estimator(self, other),
            student=_common_student(self, other),
            prompts=joined_prompts(self.prompts, other.prompts, len(scores)),
            created=max(self.created, other.created),
            source=joined(self.source, other.source),
        )

    def check_estimator(self, judge: Judge) -> None:
        """ValueError where the table was made with another estimator, precision or file of weights."""
        check_same(Judge.read(self.estimator), judge, "table", self.name, "calibrate with this one")

    def differences(self, student: Student) -> list[str]:
        """Where `student`'s known settings differ from those the table was made with, each as one phrase."""
        return Student.read(self.student).differences(student)

    def add_to(self, path: Path) -> "PercentileTable":
        """The table at `path` with this one's scores added, or this one where there is none; saved there.

        One process after the other: what several add at once is all kept. ValueError as of `load` and `merge`.
        """
        with locked(path):
            table = PercentileTable.load(path).merge(self) if path.exists() else self
            table.save(path)
        return table

    def save(self, path: Path) -> None:
        """Write the table as JSON; a reader sees the old file or the new one, never half of one."""
        content = {"format": FORMAT, "version": VERSION, **{key: getattr(self, key) for key in _DESCRIPTION}}
        for key in ("estimator", "student", "prompts"):
            content[key] = dict(sorted(content[key].items()))
        content["percentiles"] = {f"{k:g}": score for k, score in sorted(self.percentiles.items())}
        content["scores"] = list(self.scores)
        data = (json.dumps(content, indent=1) + "\n").encode()
        if len(data) > MOST_JSON:
            raise ValueError(
                f"table {quoted(self.name)} would hold {len(self.scores):,} scores, more than are read; add fewer"
            )
        write_atomically(path, data)


def _knots(content: Any, name: str) -> dict[float, float]:
    if not isinstance(content, dict) or not content:
        raise ValueError(f'table {quoted(name)} holds no percentiles; expected an object such as {{"50": 0.6}}')
    if len(content) > MOST_KNOTS:
        raise ValueError(f"table {quoted(name)} has {len(content):,} percentiles; keep {MOST_KNOTS:,} or fewer")
    try:
        knots = {float(k): score for k, score in content.items()}
    except ValueError:
        raise ValueError(
            f"table {quoted(name)} has a percentile that is not a number in {quoted([*content])}"
        ) from None
    if not all(0 < k < 100 for k in knots):
        raise ValueError(
            f"table {quoted(name)} has percentiles {quoted(sorted(knots))}; each must lie between 0 and 100"
        )
    if len(knots) < len(content):
        raise ValueError(f"table {quoted(name)} states a percentile twice, in two spellings; keep one of them")
    ordered = _finite([knots[k] for k in sorted(knots)], name)
    if list(ordered) != sorted(ordered):
        raise ValueError(f"table {quoted(name)} is not monotone: its scores must not fall as the percentile rises")
    return dict(zip(sorted(knots), ordered, strict=True))


def _finite(scores: Any, name: str) -> tuple[float, ...]:
    if not isinstance(scores, Sequence) or isinstance(scores, str):
        raise ValueError(f"table {quoted(name)} has scores of type {type(scores).__name__}; expected a list of numbers")
    usual = {*map(type, scores)} <= {int, float}
    for score in () if usual and _all_finite(scores) else scores:
        if isinstance(score, bool) or not isinstance(score, (int, float)) or not abs(score) <= sys.float_info.max:
            raise ValueError(f"table {quoted(name)} has the score {quoted(score)}; every score must be a finite number")
    return tuple(map(float, scores))


def _all_finite(scores: Sequence[float]) -> bool:
    """Whether they are, at one look at all of them."""
    try:
        return bool(numpy.isfinite(numpy.array(scores, float)).all())
    except OverflowError:
        return False


def _ascending(scores: Any, name: str) -> tuple[float, ...]:
    """Sorted, and -0.0 as 0.0, so that equal scores leave equal bits."""
    return tuple(sorted(score + 0.0 for score in _finite(scores, name)))


def _deciles(scores: Sequence[float]) -> dict[float, float]:
    return dict(zip(map(float, KNOTS), numpy.percentile(scores, KNOTS).tolist(), strict=True))


def _check_agreement(percentiles: Mapping[float, float], scores: Sequence[float], name: str) -> None:
    if not scores:
        return
    found = numpy.percentile(scores, [*percentiles]).tolist()
    for (k, stated), at_k in zip(percentiles.items(), found, strict=True):
        if not math.isclose(at_k, stated, rel_tol=1e-6, abs_tol=1e-6):
            raise ValueError(
                f"table {quoted(name)} states {stated:g} at {k:g} %, which its own raw scores contradict; make it again"
            )


def _common_student(one: PercentileTable, other: PercentileTable) -> dict[str, Any]:
    """What both tables say of their student; ValueError naming what differs."""
    for name, (first, second) in Student.read(one.student).unequal(Student.read(other.student)).items():
        raise _unmergeable(one, other, "student", name, first, second)
    return alike(one.student, other.student)


def _common_estimator(one: PercentileTable, other: PercentileTable) -> dict[str, Any]:
    """What both tables say of their estimator; ValueError naming what differs."""
    for name, (first, second) in Judge.read(one.estimator).unequal(Judge.read(other.estimator)).items():
        raise _unmergeable(one, other, "estimator", name, first, second)
    return alike(one.estimator, other.estimator)


def _unmergeable(one: PercentileTable, other: PercentileTable, part: str, key: str, *values: Any) -> ValueError:
    return ValueError(
        f"tables {quoted(one.name)} and {quoted(other.name)} differ in {part} {unquoted(key)}: "
        f"{' and '.join(map(quoted, values))}; "
        f"merge only tables of one {part}"
    )
