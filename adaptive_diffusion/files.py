"""Writing files so that a reader never sees half of one, and nothing that was written is lost."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PARTIAL = ".part"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` to write to, renamed over `path` once all went well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` through to disk in a temporary file beside `path`, then rename it over `path`."""
    with replacing(path) as partial, partial.open("wb") as file:
        _write(file, data, through=True)


def sweep(folder: Path) -> None:
    """Remove the temporary files that killed processes left in a folder."""
    for partial in folder.glob(f".*{PARTIAL}"):
        partial.unlink()


def append_lines(path: Path, lines: Sequence[bytes], through: bool = True) -> None:
    """Add lines to the end of a file. They outlive the process; where `through`, they are on disk on return."""
    with path.open("ab") as file:
        _write(file, b"".join(line + b"\n" for line in lines), through)


def whole_lines(path: Path) -> list[bytes]:
    """A file's lines, but for a last one that was cut while it was written; none where there is no file."""
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def keep_lines(path: Path, lines: Sequence[bytes]) -> None:
    """Cut off what follows these, the first lines of a file."""
    if path.exists():
        os.truncate(path, sum(len(line) + 1 for line in lines))


def _write(file: BinaryIO, data: bytes, through: bool) -> None:
    file.write(data)
    file.flush()
    if through:
        os.fsync(file.fileno())
