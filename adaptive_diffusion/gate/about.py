"""What pairs of images, and the gate that is fitted to them, were made with."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ..quoting import quoted, unquoted
from .description import alike, check_description, joined_prompts
from .judge import Judge
from .settings import LEFT_OUT
from .student import Student
from .teacher import Teacher

PEOPLE = Judge("people")


@dataclass(frozen=True)
class About:
    """What decides whether pairs may be put together, and for which scores a gate is.

    features: what the features are, as the estimator tells it. judge: whose second scores say which image is better,
    PEOPLE where people said it; None where the estimator does. prompts {name, count ...}: empty where unknown.
    created: when the last pair came, in UTC.
    """

    estimator: Judge
    features: str
    student: Student
    teacher: Teacher
    judge: Judge | None = None
    prompts: Mapping[str, Any] = field(default_factory=dict)
    created: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "student", Student.read(self.student.settings))

    @classmethod
    def read(cls, content: Mapping[str, Any], what: str) -> "About":
        """What a file says; ValueError, which names the file by `what`, where a part is missing or of another kind."""
        found = {each.name: content.get(each.name, {}) for each in fields(cls)}
        found["created"], found["features"] = content.get("created", ""), content.get("features", "")
        for key, value in found.items():
            check_description(key, value, what)
        models = {part: kind.read(found[part]) for part, kind in (("student", Student), ("teacher", Teacher))}
        judges = {part: Judge.read(found[part]) if found[part] else None for part in ("estimator", "judge")}
        if judges["estimator"] is None:
            raise ValueError(f"{what} does not say of which estimator its scores are; make it again")
        return cls(**{**found, **models, **judges})

    @property
    def content(self) -> dict[str, Any]:
        """As files keep it."""
        parts = {part: getattr(self, part) for part in _PARTS}
        kept = {name: part.settings if part else {} for name, part in parts.items()}
        return {**kept, "features": self.features, "prompts": dict(self.prompts), "created": self.created}

    def common(self, other: "About", names: tuple[str, str], count: int) -> "About":
        """What is told of the pairs of both, `count` together; ValueError, with their `names`, naming what differs."""
        parts = {}
        for part, kind in _PARTS.items():
            one, two = (getattr(about, part) or kind() for about in (self, other))
            _check_equal(part, one.settings, two.settings, names)
            parts[part] = kind.read(alike(one.settings, two.settings))
        if self.features != other.features:
            raise _unmergeable("estimator", "features", (self.features, other.features), names)
        judge = parts.pop("judge")
        prompts = joined_prompts(self.prompts, other.prompts, count)
        created = max(self.created, other.created)
        return About(**parts, features=self.features, judge=self.judge and judge, prompts=prompts, created=created)


def _check_equal(part: str, one: Mapping[str, Any], two: Mapping[str, Any], names: tuple[str, str]) -> None:
    """What only one of both knows differs, too: else the order would decide which pairs may be merged."""
    for key in (*one, *two):
        pair = (one.get(key), two.get(key))
        if pair[0] != pair[1] and not (None in pair and {*pair} <= {*LEFT_OUT}):
            raise _unmergeable(part, key, pair, names)


def _unmergeable(part: str, key: str, values: tuple[Any, Any], names: tuple[str, str]) -> ValueError:
    return ValueError(
        f"pairs {quoted(names[0])} and {quoted(names[1])} differ in {part} {unquoted(key)}: "
        f"{' and '.join(map(quoted, values))}; merge only pairs of one {part}"
    )


_PARTS: dict[str, Any] = {"estimator": Judge, "student": Student, "teacher": Teacher, "judge": Judge}
