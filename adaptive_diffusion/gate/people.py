"""Verdicts of people: which image of each pair is better."""

from pathlib import Path

import numpy

from ..columns import read
from ..quoting import quoted

STUDENT, TEACHER, EQUAL = "student", "teacher", "equal"
INDEX, VERDICT = "index", "verdict"
_SCORES = {STUDENT: (1.0, 0.0), TEACHER: (0.0, 1.0), EQUAL: (0.0, 0.0)}
_SHOWN = 5
LONGEST_INDEX = 10


def read_verdicts(path: Path, count: int) -> numpy.ndarray:
    """The verdicts of a table, a row for each of `count` pairs by its index from 0, as scores of both images (N, 2).

    The table has the columns index and verdict, which is "student", "teacher" or "equal". ValueError that says what is
    missing, twice there or no verdict.
    """
    found: dict[int, tuple[float, float]] = {}
    for index, verdict in read(path, [INDEX, VERDICT]):
        number = int(index) if index.isascii() and index.isdigit() and len(index) < LONGEST_INDEX else -1
        if not 0 <= number < count:
            raise ValueError(f"{quoted(path.name)} has the index {quoted(index)}; write a number from 0 to {count - 1}")
        if number in found:
            raise ValueError(f"{quoted(path.name)} has index {number} twice; keep one verdict for each pair")
        found[number] = _scores(path, number, verdict)
    if missing := [number for number in range(count) if number not in found]:
        listed = ", ".join(map(str, missing[:_SHOWN])) + (" ..." if len(missing) > _SHOWN else "")
        raise ValueError(
            f"{quoted(path.name)} has no verdict on {len(missing)} of {count} pairs (index {listed}); give one for each"
        )
    return numpy.array([found[number] for number in range(count)])


def _scores(path: Path, number: int, verdict: str) -> tuple[float, float]:
    if (said := verdict.strip().lower()) not in _SCORES:
        raise ValueError(
            f"{quoted(path.name)} has the verdict {quoted(verdict)} at index {number}; write {', '.join(_SCORES)}"
        )
    return _SCORES[said]
