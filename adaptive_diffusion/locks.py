"""One process at a time: whoever reads a file to write it again holds its lock."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from . import files
from .quoting import quoted

PATIENCE = 10.0
_LEFT = re.compile(rf"\.(.+)\.(lock|\d+{re.escape(files.PARTIAL)})")


class Busy(ValueError):
    """Another process holds the lock; the text is a sentence that says so."""


@contextmanager
def held(lock: Path, busy: str, patience: float = 0.0) -> Iterator[None]:
    """The lock in the file `lock` within. A process that ends lets go of it, however it ends.

    The file goes when the lock is let go; one that a killed process left means nothing, and goes next time.
    Busy, which says `busy`, where another process has it for longer than `patience` seconds.
    """
    taken = FileLock(lock, timeout=patience)
    try:
        with files.writing(lock):
            lock.parent.mkdir(parents=True, exist_ok=True)
            _acquire(taken, busy)
        yield
    finally:
        if taken.is_locked and os.name == "posix":
            lock.unlink(missing_ok=True)
        taken.release()


@contextmanager
def locked(path: Path, patience: float = PATIENCE) -> Iterator[None]:
    """The file at `path` for this process alone within; what killed processes left of it is swept first."""
    busy = f"another process is writing to {quoted(path)}; wait for it, or choose another name"
    with held(path.with_name(f".{path.name}.lock"), busy, patience):
        files.sweep(path.parent, path.name)
        yield


def sweep(folder: Path) -> None:
    """Remove what killed processes left in a folder of `locked` files; what belongs to a living one stays."""
    with suppress(OSError):
        left = [_LEFT.fullmatch(path.name) for path in folder.iterdir()]
        for name in {found[1] for found in left if found}:
            with suppress(ValueError), locked(folder / name, patience=0):
                pass


def _acquire(lock: FileLock, busy: str) -> None:
    try:
        lock.acquire()
    except Timeout:
        raise Busy(busy) from None
