"""Reading files that anyone may have made: nothing in one ends more than the reading of it."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .quoting import quoted

MOST_JSON = 12 * 2**20


class Unreadable(ValueError):
    """A sentence on a file that cannot be used: its name, what is wrong and what helps."""


@contextmanager
def told(damaged: str, *passing: type[Exception]) -> Iterator[None]:
    """Making something of what a file holds: whatever fails within is an Unreadable that says `damaged`.

    A FileNotFoundError passes, an Unreadable that says more, and what is `passing`.
    """
    known: tuple[type[Exception], ...] = (Unreadable, FileNotFoundError, *passing)
    try:
        yield
    except known:
        raise
    except Exception as error:
        raise Unreadable(damaged) from error


@contextmanager
def reading(path: Path, damaged: str) -> Iterator[None]:
    """As `told`, while `path` is read; a file that may not be read is told as such."""
    with told(damaged):
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            reason = error.strerror or error
            raise Unreadable(
                f"{quoted(path.name)} cannot be read ({reason}); make it readable, or move it away"
            ) from error


def read_json(path: Path, damaged: str) -> Any:
    """The content of a JSON file; Unreadable, which says `damaged`, where it holds anything else.

    FileNotFoundError where there is no file; a folder or a pipe is none.
    """
    with reading(path, damaged):
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {quoted(path)}")
        if (size := path.stat().st_size) > MOST_JSON:
            raise Unreadable(
                f"{quoted(path.name)} has {size:,} bytes, more than the {MOST_JSON:,} that are read; move it away"
            )
        return parse_json(path.read_bytes())


def parse_json(text: bytes) -> Any:
    """What UTF-8 JSON says; ValueError where it is none or says a thing twice, RecursionError where it is too deep."""
    return json.loads(text.decode("utf-8"), object_pairs_hook=_once)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found
