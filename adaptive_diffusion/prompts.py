"""Prompts from a CSV, TXT or JSONL file: each different one once, all of them or a drawn sample.

A file is read line by line, so memory is needed for what is returned, not for the file.
"""

import csv
import hashlib
import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

CAPTION = "caption"
MOST_PROMPTS = 100_000
PROMPT_LIMIT = 10_000
LINE_LIMIT = 100_000
_NO_TEXT = re.compile("[\0\ud800-\udfff]")


def read_prompts(path: Path, column: str = CAPTION, count: int = 0, seed: int = 0) -> list[str]:
    """The different prompts of a file, in its order; or `count` of them, drawn without replacement.

    The file is UTF-8: .csv with a header, of which `column` is read; .txt with a prompt a line; .jsonl with a string a
    line, or an object with the key `column`. Blank prompts are left out, spaces around them are taken off.
    Drawn are those with the smallest SHA-256 of seed and prompt, smallest first: the same on every machine, and a
    larger count of the same seed begins with the same prompts. ValueError where the file has none, too few for
    `count`, more than MOST_PROMPTS at count 0, or cannot be read; it names the line.
    """
    if not 0 <= count <= MOST_PROMPTS:
        raise ValueError(f"count is {count}; choose 0 for all prompts, or a number up to {MOST_PROMPTS:,}")
    if path.suffix.lower() not in _READERS:
        raise ValueError(f"'{path.name}' is no prompt file; choose one that ends in {', '.join(EXTENSIONS)}")
    prompts = _prompts(path, column)
    chosen = _drawn(prompts, count, seed) if count else list(islice(_different(prompts), MOST_PROMPTS + 1))
    _check_number(chosen, count, path.name)
    return chosen


def prompt_seeds(seed: int, count: int) -> list[int]:
    """A seed for each of `count` prompts: seed, seed + 1 ..., beginning again at 0 after 64 bits."""
    return [(seed + index) % 2**64 for index in range(count)]


def described(prompts: Sequence[str], seed: int) -> dict[str, Any]:
    """Prompts, and the first one's seed, as tables and runs record them."""
    digest = hashlib.sha256(json.dumps(list(prompts)).encode()).hexdigest()
    return {"count": len(prompts), "seed": seed, "sha256": digest}


def _check_number(prompts: list[str], count: int, file: str) -> None:
    if not prompts:
        raise ValueError(f"'{file}' holds no prompts; write at least one or choose another file")
    if len(prompts) < count:
        raise ValueError(
            f"'{file}' holds {len(prompts)} different prompts, fewer than count {count}; lower count, or set 0 for all"
        )
    if len(prompts) > MOST_PROMPTS:
        raise ValueError(f"'{file}' holds more than {MOST_PROMPTS:,} different prompts; set count to draw some of them")


def _different(prompts: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for prompt in prompts:
        if prompt not in seen:
            seen.add(prompt)
            yield prompt


def _drawn(prompts: Iterable[str], count: int, seed: int) -> list[str]:
    kept: dict[bytes, str] = {}
    for prompt in prompts:
        kept[hashlib.sha256(f"{seed}\0{prompt}".encode()).digest()] = prompt
        if len(kept) > 2 * count:
            kept = dict(sorted(kept.items())[:count])
    return [prompt for _, prompt in sorted(kept.items())[:count]]


class _Lines:
    """A file's lines for a reader that calls `begin` before each prompt; refuses what is endless or no text.

    first: number of the line that the current prompt begins on; only in CSV can it be followed by others.
    """

    def __init__(self, file: TextIO):
        self.file = file
        self.first = self.number = self.size = 0

    def begin(self) -> None:
        self.size = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.file.readline(LINE_LIMIT + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self.first = self.first if self.size else self.number
        self.size += len(line)
        if self.size > LINE_LIMIT:
            raise ValueError(f"runs on for more than {LINE_LIMIT:,} characters; break it up, and close every quote")
        if _NO_TEXT.search(line):
            self.first = self.number
            raise ValueError("is not UTF-8 text; save the file as UTF-8")
        return line


def _prompts(path: Path, column: str) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            yield from _checked(_Lines(file), path, column)
    except OSError as error:
        raise ValueError(f"'{path.name}' cannot be read ({error.strerror}); choose another file") from error


def _checked(lines: _Lines, path: Path, column: str) -> Iterator[str]:
    try:
        for text in _READERS[path.suffix.lower()](lines, column):
            if prompt := text.strip():
                _check_prompt(prompt)
                yield prompt
    except (ValueError, csv.Error) as error:
        fix = "; check its quotes" if isinstance(error, csv.Error) else ""
        raise ValueError(f"line {lines.first} of '{path.name}' {error}{fix}") from error


def _check_prompt(prompt: str) -> None:
    if len(prompt) > PROMPT_LIMIT:
        raise ValueError(f"has a prompt of {len(prompt):,} characters, over {PROMPT_LIMIT:,}; shorten it")
    if _NO_TEXT.search(prompt):
        raise ValueError("has a prompt with characters that no text can hold; write it anew")


def _from_txt(lines: _Lines, column: str) -> Iterator[str]:
    for line in lines:
        yield line
        lines.begin()


def _from_csv(lines: _Lines, column: str) -> Iterator[str]:
    rows = _rows(lines)
    header = [name.strip() for name in next(rows, [])]
    if header and column not in header:
        raise ValueError(f"has no column {column!r}, only {_listed(header)}; name one of these, or write a header line")
    for row in rows:
        if len(row) > len(header):
            raise ValueError(
                f"has {len(row)} cells, the header {len(header)}; put quotes around a prompt with commas in it"
            )
        yield dict(zip(header, row, strict=False)).get(column, "")


def _rows(lines: _Lines) -> Iterator[list[str]]:
    for row in csv.reader(lines, strict=True):
        if row:
            yield row
        lines.begin()


def _from_jsonl(lines: _Lines, column: str) -> Iterator[str]:
    for line in lines:
        if line.strip():
            yield _json_prompt(line, column)
        lines.begin()


def _json_prompt(line: str, column: str) -> str:
    try:
        value = json.loads(line, parse_int=float)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"is not JSON ({getattr(error, 'msg', error)}); write one object or string a line") from error
    if isinstance(value, dict):
        if column not in value:
            raise ValueError(f"has no key {column!r}, only {_listed(value)}; name one of these")
        value = value[column]
    if not isinstance(value, str):
        raise ValueError("has no text where the prompt should be; write it in quotes")
    return value


def _listed(names: Iterable[str]) -> str:
    return textwrap.shorten(", ".join(map(repr, names)), 200, placeholder=" ...") or "none"


_READERS = {".csv": _from_csv, ".txt": _from_txt, ".jsonl": _from_jsonl}
EXTENSIONS = tuple(_READERS)
