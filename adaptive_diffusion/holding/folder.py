"""A folder of held images: what waits there, what was improved, and how neither is lost nor done twice.

held.json                                   what all images have in common
000012-4f3a9b12cd34ef56.safetensors         an image that waits
improved/000012-4f3a9b12cd34ef56 improved 0.812.png    what became of one; that it is there is that it is done
"""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ..files import sweep, sync_names, write_atomically, writing
from ..locks import PATIENCE, held
from ..quoting import quoted
from ..reading import Unreadable
from ..tensors import save
from .image import HeldImage, size_of
from .origin import Origin
from .results import Result

ABOUT, IMPROVED, SUFFIX = "held.json", "improved", ".safetensors"
ADDING, TAKING = ".adding.lock", ".taking.lock"
DIGITS = 6
_NAME = re.compile(r"(\d{6,9}-[0-9a-f]{16})(?: .+)?")


class Taken(NamedTuple):
    """Images that were taken, by name; how many more wait; and a sentence for each file that is damaged."""

    images: dict[str, HeldImage]
    left: int
    damaged: list[str]


class HeldFolder:
    """The held images in a folder, which `add` makes."""

    def __init__(self, path: Path):
        self.path = path

    @property
    def origin(self) -> Origin:
        """What its images have in common; FileNotFoundError where nothing was held there."""
        return Origin.load(self.path / ABOUT)

    def add(self, origin: Origin, images: Iterable[HeldImage]) -> int:
        """Keep images, each on disk before the next is asked for; how many were not there yet, nor done.

        ValueError where the folder's are of another origin, another process holds it, or it cannot be written.
        """
        busy = f"another process is holding images in {quoted(self.path)}; wait for it, or choose another folder"
        with held(self.path / ADDING, busy, PATIENCE):
            self._begin(origin)
            sweep(self.path)
            names = [*self._names(self.path, SUFFIX), *self._names(self.path / IMPROVED)]
            known = {_identity(name) for name in names}
            number = max((int(name.split("-")[0]) for name in names), default=-1) + 1
            first = number
            for image in images:
                if image.identity not in known:
                    self._keep(f"{number:0{DIGITS}d}-{image.identity}", image)
                    known.add(image.identity)
                    number += 1
            return number - first

    @contextmanager
    def taking(self) -> Iterator[None]:
        """Within, no other taker gets these images. ValueError where another has them, or there are none."""
        if not (self.path / ABOUT).is_file():
            self._check_copied()
            raise ValueError(f"nothing was held in {quoted(self.path)}; hold images there, or name another folder")
        busy = (
            f"the images in {quoted(self.path.name)} are taken already; take them once in a graph, and let the other "
            "process that improves them come to its end"
        )
        with held(self.path / TAKING, busy):
            if (self.path / IMPROVED).is_dir():
                sweep(self.path / IMPROVED)
            yield

    @property
    def waiting(self) -> list[str]:
        """The names of the images that wait, as they were held; what a killed process left of one that is done goes."""
        done = {_identity(name) for name in self._names(self.path / IMPROVED)}
        names = self._names(self.path, SUFFIX)
        for name in names:
            if _identity(name) in done:
                self._file(name).unlink(missing_ok=True)
        return [name for name in names if _identity(name) not in done]

    def take(self, most: int) -> Taken:
        """The images that have waited longest, `most` at most; first those of the size of the first, then of others."""
        names, images, damaged = self.waiting, dict[str, HeldImage](), list[str]()
        sizes: dict[tuple[int, ...], list[str]] = {}
        for name in names:
            try:
                sizes.setdefault(size_of(self._file(name)), []).append(name)
            except Unreadable as error:
                damaged.append(str(error))
        for name in [name for alike in sizes.values() for name in alike]:
            if len(images) == most:
                break
            try:
                images[name] = HeldImage.load(self._file(name))
            except Unreadable as error:
                damaged.append(str(error))
        return Taken(images, len(names) - len(images) - len(damaged), damaged)

    def finish(self, name: str, result: Result) -> None:
        """Keep what became of an image, unless that is there; it is done as soon as its file has its name."""
        folder = self.path / IMPROVED
        if _identity(name) not in map(_identity, self._names(folder)):
            score = f"{result.record['score']:.3f}"
            write_atomically(folder / f"{name} {result.word} {score}{result.suffix}", result.data)
        with writing(self._file(name)):
            self._file(name).unlink(missing_ok=True)
        sync_names(self.path)

    def _begin(self, origin: Origin) -> None:
        about = self.path / ABOUT
        if about.is_file():
            self.origin.check_same(origin, self.path)
        elif any(not entry.name.startswith(".") for entry in self.path.iterdir()):
            self._check_copied()
            raise ValueError(f"{quoted(self.path)} holds files of something else; choose another folder")
        else:
            write_atomically(about, json.dumps(origin.content, indent=1).encode() + b"\n")

    def _check_copied(self) -> None:
        """ValueError where images lie here without what they have in common, as of a folder that is copied in part."""
        if self._names(self.path, SUFFIX) or self._names(self.path / IMPROVED):
            raise ValueError(f"{quoted(self.path)} has images, but no {ABOUT}; copy that file there, too")

    def _keep(self, name: str, image: HeldImage) -> None:
        save(self._file(name), image.content, f"the image of {quoted(image.prompt)}")

    def _file(self, name: str) -> Path:
        return self.path / f"{name}{SUFFIX}"

    @staticmethod
    def _names(folder: Path, suffix: str = "") -> list[str]:
        """The names of the images that files of a folder are of, in the order in which they were held."""
        files = [path for path in folder.iterdir() if path.name.endswith(suffix)] if folder.is_dir() else []
        found = [_NAME.fullmatch(path.stem) for path in files]
        return sorted(match[1] for match in found if match)


def _identity(name: str) -> str:
    return name.split("-")[1]
