"""What an unfinished calibration has found, kept so that a killed run loses none of it."""

import base64
import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy

from ..files import append_lines, keep_lines, whole_lines
from ..quoting import quoted, unquoted
from ..reading import Unreadable, parse_json, told
from .student import differences

FORMAT = "adaptive-diffusion journal"
VERSION = 1
MOST_JOURNAL = 2 * 2**30
SECONDS_AT_RISK = 1.0
FIRST, SERIES, SCORES, KIND = "first", "series", "scores", "kind"
Columns = Mapping[str, Sequence[Any] | numpy.ndarray]
Row = dict[str, numpy.ndarray]


class Journal:
    """A file with one line for what is calibrated and one for every batch of what was found.

    A line outlives the process at once; a power cut takes the lines of the last SECONDS_AT_RISK at most.
    rows: what earlier runs and this one found, by the number of the prompt; of several series, see `of`.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]):
        """Go on with the journal at `path`, or begin one; ValueError where it is of another calibration or damaged."""
        self.path = path
        self._series: dict[str, dict[int, Row]] = {}
        self._last_through = -math.inf
        head = {"format": FORMAT, "version": VERSION, **about}
        _check_size(path)
        self._lines = whole_lines(path)
        keep_lines(path, self._lines)
        if not self._lines:
            self._append(head)
            return
        self._check_head(self._lines[0], json.loads(json.dumps(head)))
        for line in self._lines[1:]:
            series, found = _batch(line, path)
            rows = self.of(series)
            _check_alike(rows, found, path)
            rows.update(found)

    @property
    def rows(self) -> dict[int, Row]:
        return self.of("")

    @property
    def size(self) -> int:
        """How many rows there are, in all series."""
        return sum(map(len, self._series.values()))

    def of(self, series: str) -> dict[int, Row]:
        """The rows of one of several things that are found of the same prompts."""
        return self._series.setdefault(series, {})

    def add(self, first: int, columns: Columns, series: str = "") -> None:
        """Keep what was found of the prompts from number `first` on.

        columns: one value, or one row of values, for each of these prompts; the scores among them. ValueError where a
        value is not finite: nothing of the batch is kept then.
        """
        arrays = {name: numpy.asarray(values) for name, values in columns.items()}
        for name, values in arrays.items():
            _check_finite(first, name, values)
        named = {SERIES: series} if series else {}
        self._append({FIRST: first, **named, **{name: _packed(values) for name, values in arrays.items()}})
        self.of(series).update(_rows(first, arrays))

    def _append(self, content: Mapping[str, Any]) -> None:
        """Where someone removed the file, or its folder, all of it is written again."""
        now = time.monotonic()
        through = now - self._last_through >= SECONDS_AT_RISK
        self._lines.append(json.dumps(content).encode())
        append_lines(self.path, self._lines[-1:] if self.path.exists() else self._lines, through)
        self._last_through = now if through else self._last_through

    def _check_head(self, line: bytes, expected: dict[str, Any]) -> None:
        found = _parsed(line, self.path)
        if told := differences(found, expected if KIND in found else {**expected, KIND: None}):
            raise ValueError(
                f"an unfinished calibration {quoted(self.path.stem)} has {', '.join(told)}; "
                f"choose another name, or delete {unquoted(self.path.name)} to begin again"
            )


def remove_own(path: Path, kind: str) -> None:
    """Remove a journal of what is finished; one of another kind of work under the same name stays."""
    head = whole_lines(path)[:1]
    if not head or _parsed(head[0], path).get(KIND, kind) == kind:
        path.unlink(missing_ok=True)


def scores_of(rows: Mapping[int, Row]) -> dict[int, float]:
    """The scores by the number of their prompt."""
    return {number: float(row[SCORES]) for number, row in rows.items()}


def stacked(rows: Mapping[int, Row], name: str, numbers: Sequence[int]) -> numpy.ndarray:
    """A column of these prompts, (N, ...)."""
    return numpy.stack([rows[i][name] for i in numbers])


def _rows(first: int, arrays: Mapping[str, numpy.ndarray]) -> dict[int, Row]:
    count = len(arrays[SCORES])
    return {first + i: {name: values[i] for name, values in arrays.items()} for i in range(count)}


def _packed(values: numpy.ndarray) -> Any:
    """Numbers as JSON writes them; those of half the precision, of which there are many, as the text of their bytes."""
    if values.dtype == numpy.float32:
        return base64.b64encode(values.astype("<f4").tobytes()).decode()
    return values.tolist()


def _unpacked(content: Any, count: int) -> numpy.ndarray:
    """ValueError where it is nothing that `_packed` makes of `count` prompts."""
    if isinstance(content, str):
        values = numpy.frombuffer(base64.b64decode(content, validate=True), "<f4").reshape(count, -1)
        every = bool(numpy.isfinite(values).all())
    else:
        values = numpy.array(content, dtype=object)
        every = all(type(value) is float and math.isfinite(value) for value in values.flat)
    if not every or len(values) != count:
        raise ValueError("no numbers")
    return values if values.dtype == numpy.float32 else values.astype(float)


def _check_finite(first: int, name: str, values: numpy.ndarray) -> None:
    finite = numpy.isfinite(values.reshape(len(values), -1)).all(1)
    if not finite.all():
        number, what = first + int(finite.argmin()), name.replace("_", " ")
        raise ValueError(
            f"the {what} of prompt {number} are not all finite; check what draws it, and the estimator's weights"
        )


def _check_size(path: Path) -> None:
    if path.exists() and (size := path.stat().st_size) > MOST_JOURNAL:
        raise ValueError(
            f"{quoted(path.name)} has {size:,} bytes, more than the {MOST_JOURNAL:,} that are read; move it away"
        )


def _parsed(line: bytes, path: Path) -> dict[str, Any]:
    with told(_damaged(path)):
        content = parse_json(line)
        if not isinstance(content, dict):
            raise ValueError("no object")
        return content


def _batch(line: bytes, path: Path) -> tuple[str, dict[int, Row]]:
    """The series and the rows of a line."""
    content = _parsed(line, path)
    with told(_damaged(path)):
        first, series, count = content.pop(FIRST), content.pop(SERIES, ""), len(content[SCORES])
        if type(first) is not int or not isinstance(series, str):
            raise ValueError("no batch")
        return series, _rows(first, {name: _unpacked(values, count) for name, values in content.items()})


def _check_alike(rows: Mapping[int, Row], found: Mapping[int, Row], path: Path) -> None:
    """Unreadable where the rows of a line have other columns, or values of other shapes, than those before."""
    for row in found.values():
        first = next(iter(rows.values()), row)
        shapes = [{name: values.shape for name, values in each.items()} for each in (row, first)]
        if shapes[0] != shapes[1] or row[SCORES].ndim:
            raise Unreadable(_damaged(path))


def _damaged(path: Path) -> str:
    return f"{unquoted(path.name)} is damaged; delete it to begin this calibration again"
