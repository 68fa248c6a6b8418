"""Pairs: for each of many prompts the student's image and the teacher's, as an estimator and a judge see them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy

from ..locks import locked
from ..quoting import quoted
from ..tensors import array, fits
from .about import About
from .stored import Form

FORM = Form("adaptive-diffusion pairs", "pairs", "are not a whole file of pairs; draw them again")
_KINDS = {
    "numbers": ("I64", numpy.int64),
    "keys": ("U64", numpy.uint64),
    "seeds": ("U64", numpy.uint64),
    "scores": ("F64", numpy.float64),
    "features": ("F32", numpy.float32),
    "teacher_scores": ("F64", numpy.float64),
    "judged": ("F64", numpy.float64),
}
_COLUMNS: dict[str, tuple[int | None, ...]] = {"features": (None,), "judged": (2,)}


@dataclass(frozen=True, eq=False)
class Pairs:
    """N pairs, in the order of their keys and seeds, however they came.

    name: what sentences call them. numbers (N,): of the prompts in the file that they came from. keys (N,): of the
    prompts' texts, see `prompt_keys`. seeds (N,): of the noise. scores (N,), features (N, F): the estimator's reading
    of the student's image. teacher_scores (N,): the estimator's, of the teacher's. judged (N, 2): a second judge's
    scores of both images, higher is better; None without one. about: what they were made with.
    ValueError where a number is not finite, arrays do not fit together, or one image is there twice.
    """

    name: str
    numbers: numpy.ndarray
    keys: numpy.ndarray
    seeds: numpy.ndarray
    scores: numpy.ndarray
    features: numpy.ndarray
    teacher_scores: numpy.ndarray
    judged: numpy.ndarray | None
    about: About

    def __post_init__(self) -> None:
        rows = {name: numpy.asarray(values, _KINDS[name][1]) for name, values in self._arrays.items()}
        self._check_shapes(rows)
        order = numpy.lexsort((rows["seeds"], rows["keys"]))
        for name, values in rows.items():
            object.__setattr__(self, name, values[order])
        self._check_rows()
        counted = {**self.about.prompts, "count": len(self)}
        object.__setattr__(self, "about", replace(self.about, prompts=counted))

    @classmethod
    def drawn(
        cls,
        name: str,
        prompts: Sequence[str],
        seeds: Sequence[int],
        scores: Any,
        features: Any,
        teacher_scores: Any,
        judged: Any,
        about: About,
        numbers: Sequence[int] | None = None,
    ) -> "Pairs":
        """The pairs of these prompts with these seeds, a row each; numbers: 0, 1 ... unless given."""
        numbered = range(len(prompts)) if numbers is None else numbers
        return cls(name, numbered, prompt_keys(prompts), seeds, scores, features, teacher_scores, judged, about)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def images(self) -> set[tuple[int, int]]:
        """The keys and seeds, which tell the images apart."""
        return set(zip(self.keys.tolist(), self.seeds.tolist(), strict=True))

    @cached_property
    def improved(self) -> numpy.ndarray:
        """(N,) booleans: whether the teacher's image is better, by the judge if there is one, else the estimator."""
        student, teacher = (self.scores, self.teacher_scores) if self.judged is None else self.judged.T
        return teacher > student

    def pick(self, rows: Any) -> "Pairs":
        """The pairs in these rows."""
        picked: dict[str, Any] = {name: values[rows] for name, values in self._arrays.items()}
        return replace(self, **picked)

    def merge(self, other: "Pairs") -> "Pairs":
        """The pairs of both, the same whichever comes first; they are called as these.

        ValueError, naming what differs, for pairs of another estimator, student, teacher or judge, and where both hold
        one image.
        """
        names, count = (self.name, other.name), len(self) + len(other)
        about = self.about.common(other.about, names, count)
        if shared := self.images & other.images:
            raise ValueError(
                f"pairs {quoted(self.name)} and {quoted(other.name)} hold {len(shared)} images in common; "
                "merge each file once, and draw other prompts or seeds for more pairs"
            )
        mine, others = self._arrays, other._arrays
        joined: dict[str, Any] = {name: numpy.concatenate([mine[name], others[name]]) for name in mine}
        return replace(self, **joined, about=about)

    @property
    def content(self) -> bytes:
        """The bytes of the pairs' file; equal for equal pairs."""
        return FORM.content(self._arrays, self.about)

    def save(self, path: Path) -> None:
        """Write the pairs; a reader sees the old file or the new one, never half of one."""
        FORM.save(path, self.content)

    @classmethod
    def load(cls, path: Path) -> "Pairs":
        """Read a file of pairs; FileNotFoundError without it, ValueError where it holds anything else."""
        return FORM.load(path, _read_arrays, cls)

    def add_to(self, path: Path) -> "Pairs":
        """The pairs at `path` with these added, or these where there are none; saved there.

        One process after the other: what several add at once is all kept. ValueError as of `load` and `merge`.
        """
        with locked(path):
            pairs = Pairs.load(path).merge(self) if path.exists() else self
            pairs.save(path)
        return pairs

    @property
    def _arrays(self) -> dict[str, numpy.ndarray]:
        """The arrays by name, without those that are not there."""
        return {name: getattr(self, name) for name in _KINDS if getattr(self, name) is not None}

    def _check_shapes(self, rows: dict[str, numpy.ndarray]) -> None:
        count = len(rows["scores"])
        for name, values in rows.items():
            if not fits(values.shape, (count, *_COLUMNS.get(name, ()))):
                raise ValueError(f"pairs {quoted(self.name)} have {count} scores, and {name} of shape {values.shape}")
        if (self.judged is None) != (self.about.judge is None):
            asked, came = self.about.judge, "no scores" if self.judged is None else "scores"
            raise ValueError(
                f"pairs {quoted(self.name)} are to be judged by {asked.label if asked else 'none'}, but {came} of a "
                "judge came; judge all pairs, or none"
            )

    def _check_rows(self) -> None:
        """ValueError unless there is a pair, every number is finite, and every image there once."""
        if not len(self):
            raise ValueError(f"pairs {quoted(self.name)} hold no pair; draw at least one")
        for name, values in self._arrays.items():
            finite = numpy.isfinite(values.reshape(len(self), -1)).all(1)
            if not finite.all():
                row = int(numpy.argmin(finite))
                raise ValueError(
                    f"pairs {quoted(self.name)} have {name} that are not finite for prompt {self.numbers[row]}; "
                    "check its images and the estimator's weights"
                )
        same = (self.keys[1:] == self.keys[:-1]) & (self.seeds[1:] == self.seeds[:-1])
        if same.any():
            row = int(numpy.argmax(same))
            raise ValueError(
                f"pairs {quoted(self.name)} hold prompt {self.numbers[row]} with seed {self.seeds[row]} twice; keep one"
            )


def prompt_keys(prompts: Sequence[str]) -> numpy.ndarray:
    """A number for each prompt, (N,) uint64: equal for equal ones; the first 8 bytes of the SHA-256 of its text."""
    digests = [sha256(prompt.encode()).digest()[:8] for prompt in prompts]
    return numpy.array([int.from_bytes(first, "big") for first in digests], numpy.uint64)


def _read_arrays(file: Any) -> dict[str, Any]:
    count = file.get_slice("scores").get_shape()[0]
    there = {*file.keys()}
    return {
        name: array(file, name, kind, (count, *_COLUMNS.get(name, ()))) if name in there or name != "judged" else None
        for name, (kind, _) in _KINDS.items()
    }
