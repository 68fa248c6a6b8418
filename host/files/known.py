"""What is known of files that anyone may have put into ComfyUI's folders: nothing in them ends a listing."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from ...adaptive_diffusion.quoting import printable

Found = TypeVar("Found")
SETTLED = 3.0
"""Seconds after a change within which the clock of a file system may not tell another one."""

_told: set[str] = set()
_listed: dict[str, tuple[int, tuple[str, ...]]] = {}


class Known(Generic[Found]):
    """What `look` finds in a file, kept until the file changes."""

    def __init__(self, look: Callable[[Path], Found], tell: bool = True):
        """tell: whether the log is to name a file that cannot be read, once."""
        self._look, self._tell = look, tell
        self._seen: dict[Path, tuple[tuple[int, int], Found | None]] = {}

    def __call__(self, path: Path) -> Found | None:
        """None where the file cannot be read."""
        try:
            stat = path.stat()
        except OSError:
            return None
        changed = (stat.st_mtime_ns, stat.st_size)
        if path not in self._seen or self._seen[path][0] != changed:
            self._seen[path] = (changed, self._looked(path))
        return self._seen[path][1]

    def _looked(self, path: Path) -> Found | None:
        try:
            return self._look(path)
        except Exception as error:
            if self._tell:
                tell_once(printable(f"{path.parent}: {error}"))
            return None


def names_in(folder: Path) -> tuple[str, ...]:
    """The names of a folder's files, listed anew when the folder has changed; OSError where it cannot be read."""
    place, changed = str(folder), os.stat(folder).st_mtime_ns
    if place not in _listed or _listed[place][0] != changed:
        found = tuple(os.listdir(folder))
        if time.time() - changed / 1e9 < SETTLED:
            return found
        _listed[place] = (changed, found)
    return _listed[place][1]


def texts(names: Iterable[str]) -> Iterator[str]:
    """The names that are text: others can neither be shown nor saved in a graph."""
    for name in names:
        if name.isascii() or name.encode(errors="replace").decode() == name:
            yield name
        else:
            tell_once(f"the file name {ascii(name)} is no text and is passed over; rename it")


def tell_once(sentence: str) -> None:
    """Write a sentence to ComfyUI's log, unless it stands there already."""
    if sentence not in _told:
        _told.add(sentence)
        logging.warning("Adaptive Diffusion: %s", sentence)
