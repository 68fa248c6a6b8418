"""Named columns of CSV, TSV and JSONL files, and the lines of TXT, row by row: a file may be larger than the memory."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from .lines import NO_TEXT, Lines, opened
from .quoting import listed, quoted

CELL_LIMIT = 10_000
MARKS = {",": "commas", ";": "semicolons", "\t": "tabs"}


def read(path: Path, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The cells of the named columns, a tuple a row, without the spaces around them.

    The file is UTF-8, or UTF-16 with its mark: .csv or .tsv with a header, whose cells commas, semicolons or tabs part,
    as the header's; .jsonl with an object a line, or for one name also a string; .txt with a line for the one name,
    unless tabs part its first: then it is as .tsv. ValueError where it is none of these or cannot be read; it names the
    line.
    """
    if path.suffix.lower() not in _READERS:
        raise ValueError(f"{quoted(path.name)} is no prompt file; choose one that ends in {', '.join(EXTENSIONS)}")
    try:
        with opened(path) as lines:
            yield from _checked(lines, path, names)
    except OSError as error:
        raise ValueError(f"{quoted(path.name)} cannot be read ({error.strerror}); choose another file") from error


def _checked(lines: Lines, path: Path, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    try:
        for cells in _READERS[path.suffix.lower()](lines, names):
            for cell in cells:
                _check_cell(cell)
            yield tuple(cell.strip() for cell in cells)
    except (ValueError, csv.Error) as error:
        fix = "; check its quotes" if isinstance(error, csv.Error) else ""
        raise ValueError(f"line {lines.first} of {quoted(path.name)} {error}{fix}") from error


def _check_cell(cell: str) -> None:
    if len(cell) > CELL_LIMIT and len(cell.strip()) > CELL_LIMIT:
        raise ValueError(f"has a prompt of {len(cell.strip()):,} characters, over {CELL_LIMIT:,}; shorten it")
    if NO_TEXT.search(cell):
        raise ValueError("has a prompt with characters that no text can hold; write it anew")


def _from_txt(lines: Lines, names: Sequence[str]) -> Iterator[Sequence[str]]:
    first = _first(lines)
    if "\t" in first.strip():
        yield from _from_table(first, lines, names)
        return
    for line in chain([first], lines):
        yield [line]
        lines.begin()


def _from_csv(lines: Lines, names: Sequence[str]) -> Iterator[Sequence[str]]:
    return _from_table(_first(lines), lines, names)


def _first(lines: Lines) -> str:
    """The first line that is not blank."""
    for line in lines:
        if line.strip():
            return line
        lines.begin()
    return ""


def _from_table(first: str, lines: Lines, names: Sequence[str]) -> Iterator[Sequence[str]]:
    mark = _mark(first, names)
    rows = _rows(chain([first], lines), lines, mark)
    header = [name.strip() for name in next(rows, [])]
    if header:
        _check_names(names, header, "column", "name one of these, or write a header line")
    for row in rows:
        if len(row) > len(header):
            raise ValueError(
                f"has {len(row)} cells, the header {len(header)}; put quotes around a prompt with {MARKS[mark]} in it"
            )
        cells = dict(zip(header, row, strict=False))
        yield [cells.get(name, "") for name in names]


def _mark(header: str, names: Sequence[str]) -> str:
    """What parts a table's cells: that under which its header has the names, else the most cells."""

    def fit(mark: str) -> tuple[bool, int]:
        cells = [cell.strip() for cell in next(csv.reader([header], delimiter=mark), [])]
        return all(name in cells for name in names), len(cells)

    return max(MARKS, key=fit)


def _rows(texts: Iterable[str], lines: Lines, mark: str) -> Iterator[list[str]]:
    """The rows of a table that are not blank."""
    rows = map(_tab_row, texts) if mark == "\t" else csv.reader(texts, delimiter=mark, strict=True)
    for row in rows:
        if any(row):
            yield row
        lines.begin()


def _tab_row(line: str) -> list[str]:
    """The cells of a line of TSV: quoted as Excel does where its quotes are whole, else as they stand."""
    try:
        return next(csv.reader([line], delimiter="\t", strict=True), [])
    except csv.Error:
        cells = line.rstrip("\n").split("\t")
    if any(cell.startswith('"') and cell.count('"') % 2 for cell in cells):
        raise ValueError("opens a quote that it does not close; close it, or put the prompt on one line")
    return cells


def _from_jsonl(lines: Lines, names: Sequence[str]) -> Iterator[Sequence[str]]:
    for line in lines:
        if line.strip():
            yield _json_cells(line, names)
        lines.begin()


def _json_cells(line: str, names: Sequence[str]) -> Sequence[str]:
    try:
        value = json.loads(line, parse_int=float)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"is not JSON ({getattr(error, 'msg', error)}); write one object or string a line") from error
    if isinstance(value, dict):
        _check_names(names, value, "key", "name one of these")
    cells = [value[name] for name in names] if isinstance(value, dict) else [value]
    if len(cells) != len(names) or not all(isinstance(cell, str) for cell in cells):
        raise ValueError("has no text where the prompt should be; write it in quotes")
    return cells


def _check_names(names: Sequence[str], found: Iterable[str], kind: str, fix: str) -> None:
    for name in names:
        if name not in found:
            raise ValueError(f"has no {kind} {quoted(name)}, only {listed(map(quoted, found))}; {fix}")


_READERS = {".csv": _from_csv, ".tsv": _from_csv, ".txt": _from_txt, ".jsonl": _from_jsonl}
EXTENSIONS = tuple(_READERS)
