"""What drew a batch, as far as scores depend on it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, ClassVar, TypeVar

from ..quoting import quoted, unquoted
from .best_of_n import share_of_kept
from .cost import Spent
from .judge import Judge
from .settings import Settings
from .teacher import Teacher

T = TypeVar("T")
PLAIN = "none"


@dataclass(frozen=True)
class Student(Settings):
    """All that makes a percentile table valid, and what belongs to one batch. Unknown fields are None.

    steps: as asked for. width, height: in pixels. patches: a few words on the model's patches. patch_digest: letters
    that differ where a patch or its strength does, "none" without any. guidance: of a model that takes it as an input.
    negative: letters that differ for another negative prompt. dtype: of the network. vae: letters that differ for
    another decoder. conditioning: letters that differ where prompts come with more than their text, such as a
    ControlNet or an area, "none" for text alone. lora: whether it is a LoRA in ComfyUI, on a model of another name.
    Of one batch: seed; candidates, how often each image was drawn (empty where once); spent, what each one took;
    best_of, best_of_k: drawn again under the best_of_k-th percentile of a table, best_of times at most; None where that
    is not known of each image, as where drawing goes on until enough pass.
    """

    of_one_batch: ClassVar = frozenset({"seed", "candidates", "spent", "best_of", "best_of_k"})
    same_model: ClassVar = frozenset({"demo", "student"})  # the demo's student outside ComfyUI and in it
    known_later: ClassVar = frozenset({"patch_digest", "guidance", "negative", "dtype", "vae", "conditioning", "lora"})
    name: str | None = None
    steps: int | None = None
    cfg: float | None = None
    sampler: str | None = None
    scheduler: str | None = None
    width: int | None = None
    height: int | None = None
    patches: str | None = None
    seed: int | None = None
    candidates: tuple[int, ...] = ()
    patch_digest: str | None = None
    guidance: float | None = None
    negative: str | None = None
    dtype: str | None = None
    vae: str | None = None
    spent: tuple[Spent, ...] = ()
    conditioning: str | None = None
    best_of: int | None = None
    best_of_k: float | None = None
    lora: bool | None = None

    @classmethod
    def of_images(cls, images: Sequence[tuple["Student", int]]) -> "Student":
        """The student of a batch made of single images, each a row of a batch of one of these students."""
        first = images[0][0]
        names = (*cls.names(), "seed", "best_of", "best_of_k")
        alike = [name for name in names if all(getattr(each, name) == getattr(first, name) for each, _ in images)]
        return cls(
            **{name: getattr(first, name) for name in alike},
            candidates=tuple(each.drawn(row) for each, row in images if any(other.candidates for other, _ in images)),
            spent=tuple(each.spent[row] for each, row in images) if all(each.spent for each, _ in images) else (),
        )

    def of_batch(self, count: int) -> "Student":
        """The same; what is known of single images only where it is known of `count`, or is the same for all."""
        return replace(self, candidates=_of_each(self.candidates, count), spent=_of_each(self.spent, count))

    def unequal(self, other: "Student") -> dict[str, tuple[Any, Any]]:
        """As of all settings; the name of a LoRA's student is no other than that of the model it patches."""
        found = super().unequal(other)
        if self.lora and other.patches or other.lora and self.patches:
            found.pop("name", None)
        return found

    def drawn(self, row: int) -> int:
        """How often the image in `row` of its batch was drawn."""
        return self.candidates[row] if self.candidates else 1

    def took(self, row: int) -> Spent | None:
        """What the image in `row` of its batch took: as counted, else its steps alone, without its evaluations."""
        if self.spent:
            return self.spent[row]
        return None if self.steps is None else Spent(self.steps * self.drawn(row), math.nan)

    def share_under(self, k: float) -> float:
        """The percentage of its images under the k-th percentile (0..100) of a table, which is of single drawings."""
        if self.best_of is None or self.best_of_k is None:
            return k
        return share_of_kept(self.best_of, self.best_of_k, k)

    @property
    def share_is_known(self) -> bool:
        """Whether `share_under` is right; else fewer of its images lie under a percentile of single drawings."""
        return self.best_of_k is None or self.best_of is not None

    @property
    def settings_known_at_first(self) -> dict[str, Any]:
        """The settings that the first tables and running tables knew."""
        return {name: value for name, value in self.settings.items() if name not in self.known_later}


def agreed(students: Sequence[Student | None]) -> Student | None:
    """The one student of many batches, None where it is not known; ValueError where they draw otherwise."""
    kinds: dict[str, Student] = {}
    for student in students:
        if student:
            kinds.setdefault(str(student.settings), student)
    for one, other in combinations(kinds.values(), 2):
        if told := one.differences(other):
            raise ValueError(f"{len(kinds)} students came, of which one has {', '.join(told)}; link one student")
    return next(iter(kinds.values()), None)


def differences(found: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Where what was `found` of a task is not what it is `now`, a phrase each; models are compared as such."""
    told = []
    for part, value in now.items():
        if part in _MODELS:
            kind = _MODELS[part]
            other = kind.read(found.get(part, {}))
            told += [f"{part} {phrase}" for phrase in kind.read(value).differences(other)]
        elif part == "estimator" and not Judge.read(found.get(part, {})).unequal(Judge.read(value)):
            continue
        elif found.get(part) != value:
            told.append(f"{unquoted(part)} {quoted(found.get(part))} instead of {quoted(value)}")
    return told


def _of_each(facts: tuple[T, ...], count: int) -> tuple[T, ...]:
    if len(facts) == count:
        return facts
    return facts[:1] * count if len({*facts}) == 1 else ()


_MODELS: dict[str, type[Settings]] = {"student": Student, "teacher": Teacher}
