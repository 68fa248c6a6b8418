"""One rejected image, as a file keeps it for a teacher."""

import hashlib
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch

from ..digest import digest, image_digests
from ..gate.cost import Spent
from ..gate.description import check_format
from ..numeric import SEED, Range, whole
from ..quoting import quoted
from ..reading import Unreadable
from ..tensors import check_size, content, description, opened

FORMAT, VERSION = "adaptive-diffusion held image", 1
MOST_ROWS = 100_000
IMAGE, FEATURES, CHECKSUM = "image", "features", "checksum"
_ARRAYS = {IMAGE: (3,), "latent": (3, 4), "noise_mask": (3, 4), FEATURES: (1,)}
_FACTS = ("prompt", "seed", "score", "threshold", "risk", "row", "batch", "batch_index", "group", "spent", "drawn")
_PLACE = whole(0, MOST_ROWS - 1)
_NUMBERS = {
    "seed": SEED,
    "score": Range(),
    "risk": Range(0, 1),
    "row": _PLACE,
    "batch": whole(1, MOST_ROWS),
    "batch_index": _PLACE,
    "group": _PLACE,
    "drawn": whole(1, MOST_ROWS),
}
_NONE_ALLOWED = ("risk", "batch_index")


@dataclass(frozen=True, eq=False)
class HeldImage:
    """What a teacher, a merge and a record need of a rejected image.

    image: (H, W, C) float32 in 0..1, the student's. prompt, seed, score: its own; threshold: what the score, or the
    risk, was rejected by, NaN where the verdict was given by hand; risk: of a learned gate, else None.
    row, batch: its place in the student's batch, and how many that held; group: that batch's place in its list.
    latent: (C, h, w) or (C, 1, h, w), as its VAE decodes it; None where it is not known. noise_mask: (1, h, w), where
    it may change; None for everywhere. batch_index: what its noise is drawn by in the place of its row; None for that.
    features: (F,) what the estimator saw; None where only scores came. spent: what the student took, None where it did
    not tell; drawn: how often it was drawn.
    """

    image: numpy.ndarray
    prompt: str
    seed: int
    score: float
    threshold: float
    row: int
    batch: int
    group: int = 0
    risk: float | None = None
    latent: numpy.ndarray | None = None
    noise_mask: numpy.ndarray | None = None
    batch_index: int | None = None
    features: numpy.ndarray | None = None
    spent: Spent | None = None
    drawn: int = 1

    @property
    def identity(self) -> str:
        """Letters that tell it from other images; the same where it is drawn again."""
        return digest([self.digest, self.seed, self.row])

    @property
    def digest(self) -> str:
        """Letters for its pixels and its prompt."""
        return image_digests(torch.from_numpy(self.image)[None], [self.prompt])[0]

    @property
    def content(self) -> bytes:
        """The bytes of its file."""
        arrays = {name: getattr(self, name) for name in _ARRAYS if getattr(self, name) is not None}
        facts = {name: getattr(self, name) for name in _FACTS}
        facts["threshold"] = self.threshold if math.isfinite(self.threshold) else None
        facts["spent"] = self.spent and [self.spent.steps, self.spent.evaluations]
        facts |= {"format": FORMAT, "version": VERSION}
        return content(arrays, {**facts, CHECKSUM: _checksum(arrays, facts)})

    @classmethod
    def load(cls, path: Path) -> "HeldImage":
        """Read a file of `content`; Unreadable where there is none, or it holds anything else."""
        check_size(path)
        with _opened(path) as file:
            facts = description(file)
            check_format(facts, FORMAT, VERSION, quoted(path.name))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no dict
            return _read(facts, arrays)


def size_of(path: Path) -> tuple[int, ...]:
    """Height, width and channels of the image in a file, of which nothing else is read; errors as of `load`."""
    with _opened(path) as file:
        return tuple(file.get_slice(IMAGE).get_shape())


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file, whatever fails in it, and that it is not there, told as one sentence."""
    damaged = f"{quoted(path.name)} is no whole image that was held; copy it again, or delete it"
    try:
        with opened(path, damaged) as file:
            yield file
    except FileNotFoundError as error:
        raise Unreadable(damaged) from error


def _read(facts: Mapping[str, Any], arrays: Mapping[str, numpy.ndarray]) -> HeldImage:
    """The image that a file describes; an error of any kind where it is not what was written."""
    if facts[CHECKSUM] != _checksum(arrays, {name: value for name, value in facts.items() if name != CHECKSUM}):
        raise ValueError("other bytes than were written")
    for name, values in arrays.items():
        plain = values.dtype == numpy.float32 and values.ndim in _ARRAYS[name] and (values.size or name == FEATURES)
        if not plain or not numpy.isfinite(values).all():
            raise ValueError(f"{name} is of another kind")
    known = {name: facts[name] for name in _FACTS} | dict(arrays)
    for name, numbers in _NUMBERS.items():
        if known[name] is not None or name not in _NONE_ALLOWED:
            known[name] = numbers.of(name, known[name])
    threshold, spent = facts["threshold"], facts["spent"]
    known["threshold"] = math.nan if threshold is None else float(threshold)
    known["spent"] = Spent(int(spent[0]), float(spent[1])) if spent else None
    held = HeldImage(**known)
    if not isinstance(held.prompt, str) or held.row >= held.batch:
        raise ValueError("of another kind")
    return held


def _checksum(arrays: Mapping[str, numpy.ndarray], facts: Mapping[str, Any]) -> str:
    parts = [[name, hashlib.sha256(arrays[name].tobytes()).hexdigest()] for name in sorted(arrays)]
    return digest([parts, facts])
