"""Files of pairs and of the gates fitted to them: arrays, and what they were made with."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy

from ..quoting import quoted
from ..reading import told
from ..tensors import check_size, content, description, opened, save
from .about import About
from .description import check_format

T = TypeVar("T")


class Form(NamedTuple):
    """A kind of file. name, version: what it says it is. noun: what sentences call it. damaged: what ends one on a file
    that cannot be read.
    """

    name: str
    noun: str
    damaged: str
    version: int = 1

    def content(self, arrays: Mapping[str, numpy.ndarray], about: About, **more: Any) -> bytes:
        """The bytes of a file; equal for equal arrays and descriptions. more: what else it says."""
        return content(arrays, {"format": self.name, "version": self.version, **about.content, **more})

    def save(self, path: Path, data: bytes) -> None:
        """Write a file's content; a reader sees the old file or the new one, never half of one."""
        save(path, data, f"{self.noun} {quoted(path.stem)}")

    def load(self, path: Path, arrays: Callable[[Any], dict[str, Any]], make: Callable[..., T]) -> T:
        """What `make` makes of a file's name, its arrays and its About.

        arrays: reads those of an `opened` file. FileNotFoundError without a file, ValueError where it holds anything
        else.
        """
        what = f"{self.noun} {quoted(path.stem)}"
        damaged = f"{what} {self.damaged}"
        check_size(path)
        with opened(path, damaged) as file:
            says = description(file)
            check_format(says, self.name, self.version, what)
            found = arrays(file)
        with told(damaged, ValueError):
            return make(path.stem, **found, about=About.read(says, what))
