"""A text file's lines, in UTF-8 or UTF-16; what is endless or no text is refused."""

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

LINE_LIMIT = 100_000
NO_TEXT = re.compile("[\0\ud800-\udfff]")


class Lines:
    """A file's lines for a reader that calls `begin` before each row of a table.

    first: number of the line that the current row begins on; only in CSV can it be followed by others.
    """

    def __init__(self, file: TextIO):
        self.file = file
        self.first = self.number = self.size = 0

    def begin(self) -> None:
        self.size = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._read()
        self.number += 1
        self.first = self.first if self.size else self.number
        self.size += len(line)
        if self.size > LINE_LIMIT:
            raise ValueError(f"runs on for more than {LINE_LIMIT:,} characters; break it up, and close every quote")
        if NO_TEXT.search(line):
            self.first = self.number
            raise ValueError("is not UTF-8 text; save the file as UTF-8")
        return line

    def _read(self) -> str:
        try:
            line = self.file.readline(LINE_LIMIT + 1)
        except UnicodeDecodeError:
            line = "\0"
        if not line:
            raise StopIteration
        return line


@contextmanager
def opened(path: Path) -> Iterator[Lines]:
    """The lines of a file in UTF-8, or in UTF-16 with its mark as Excel writes it; OSError where it cannot be read."""
    with path.open("rb") as file:
        wide = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encoding, errors = ("utf-16", "surrogatepass") if wide else ("utf-8-sig", "surrogateescape")
    with path.open(encoding=encoding, errors=errors) as text:
        yield Lines(text)
