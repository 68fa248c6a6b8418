"""Writing files so that a reader never sees half of one, and nothing that was written is lost."""

import errno
import os
import re
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .quoting import quoted

PARTIAL = ".part"
_FIXES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "free some space and run it again"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "choose a place that you may write to"),
    errno.ENAMETOOLONG: "choose a shorter name",
}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Writing to `path` within: what the system refuses is a ValueError that names the file, the reason and the fix."""
    try:
        yield
    except OSError as error:
        fix = _FIXES.get(error.errno or 0, "look at its folder and run it again")
        raise ValueError(f"{quoted(path)} cannot be written ({error.strerror or error}); {fix}") from error


def _beside(path: Path) -> Path:
    """A temporary place beside `path`, which no other thread of any process has."""
    return path.with_name(f".{path.name}.{threading.get_native_id()}{PARTIAL}")


@contextmanager
def making_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` to fill, which is there, through to disk, once all went well."""
    with writing(path):
        partial = _beside(path)
        try:
            partial.mkdir(parents=True)
            yield partial
            for inside in partial.rglob("*"):
                _sync_file(inside)
            os.rename(partial, path)
            sync_names(path.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` to write to, renamed over `path` once all went well."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = _beside(path)
        try:
            yield partial
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` through to disk in a temporary file beside `path`, then rename it over `path`."""
    write_together(path.parent, {path.name: data})


def rename(path: Path, target: Path) -> None:
    """Give a file another name in its folder, through to disk."""
    path.rename(target)
    sync_names(path.parent)


def write_new(path: Path, data: bytes) -> bool:
    """Write a file that is whole from its first moment, unless there is one of that name; whether there was none."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = _beside(path)
        try:
            with partial.open("wb") as file:
                _write(file, data, through=True)
            os.link(partial, path)
        except FileExistsError:
            return False
        finally:
            partial.unlink(missing_ok=True)
    sync_names(path.parent)
    return True


def write_together(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write each of `files`, by name, as `write_atomically` does; all of their names are on disk on return."""
    for name, data in files.items():
        with replacing(folder / name) as partial, partial.open("wb") as file:
            _write(file, data, through=True)
    sync_names(folder)


def sync_names(folder: Path) -> None:
    """Have what was created, renamed or removed in a folder outlive a power cut, where the system is to be asked."""
    if os.name == "posix":
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def sweep(folder: Path, name: str | None = None) -> None:
    """Remove the temporary files and folders that killed processes left of `name` in a folder, or of all in it."""
    left = re.compile(rf"\.{re.escape(name) if name else '.+'}\.\d+{re.escape(PARTIAL)}")
    for path in folder.iterdir():
        if left.fullmatch(path.name) and path.is_dir():
            shutil.rmtree(path)
        elif left.fullmatch(path.name):
            path.unlink(missing_ok=True)


def append_lines(path: Path, lines: Sequence[bytes], through: bool = True) -> None:
    """Add lines to the end of a file. They outlive the process; where `through`, they are on disk on return."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        begun = not path.exists()
        with path.open("ab") as file:
            _write(file, b"".join(line + b"\n" for line in lines), through)
    if begun:
        sync_names(path.parent)


def whole_lines(path: Path) -> list[bytes]:
    """A file's lines, but for a last one that was cut while it was written; none where there is no file."""
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def keep_lines(path: Path, lines: Sequence[bytes]) -> None:
    """Cut off what follows these, the first lines of a file."""
    with writing(path):
        if path.exists():
            os.truncate(path, sum(len(line) + 1 for line in lines))


def _sync_file(path: Path) -> None:
    if path.is_file():
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def _write(file: BinaryIO, data: bytes, through: bool) -> None:
    file.write(data)
    file.flush()
    if through:
        os.fsync(file.fileno())
