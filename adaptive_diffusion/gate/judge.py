"""Which estimator scored, as far as its scores can be compared with others."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..quoting import quoted, unquoted


@dataclass(frozen=True)
class Judge:
    """All that gives an estimator's scores their scale. What is not known is None.

    name: what tables call it. dtype: the type that it computes in. weights: letters that differ for other weights,
    which tables did not know at first.
    """

    name: str | None = None
    dtype: str | None = None
    weights: str | None = None

    @classmethod
    def of(cls, estimator: Any) -> "Judge":
        """The judge that an estimator is; one of another make may not know its weights."""
        return cls(estimator.name, estimator.dtype, getattr(estimator, "weights", None))

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> "Judge":
        """The judge of `settings`, as tables and journals keep them."""
        return cls(**{field.name: settings.get(field.name) for field in fields(cls)})

    @property
    def settings(self) -> dict[str, Any]:
        """What is known of it, as tables keep it."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @property
    def label(self) -> str:
        return f"{self.name} with the weights {self.weights}" if self.weights else f"{self.name}"

    def unequal(self, other: "Judge") -> dict[str, tuple[Any, Any]]:
        """Where both differ: this one's and the `other`'s. Weights that one of them does not know are no difference."""
        pairs = {field.name: (getattr(self, field.name), getattr(other, field.name)) for field in fields(self)}
        if None in pairs["weights"]:
            del pairs["weights"]
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def check_same(made: Judge, judge: Judge, kind: str, name: str, remedy: str) -> None:
    """ValueError where a file was `made` with another estimator, precision or file of weights than scores come from.

    kind, name: of the file, "table" and what it is called. remedy: what helps beside loading the other weights.
    """
    what = f"{kind} {quoted(name)}"
    if made.name not in (None, judge.name):
        raise ValueError(
            f"{what} was made for the estimator {unquoted(made.name)}, but the scores are of "
            f"{unquoted(judge.name)}; choose a {kind} of {unquoted(judge.name)}"
        )
    if made.dtype not in (None, judge.dtype):
        raise ValueError(
            f"{what} was made in {unquoted(made.dtype)}, but the scores are {judge.dtype}; "
            f"load the estimator in the {kind}'s precision"
        )
    if "weights" in made.unequal(judge):
        raise ValueError(
            f"{what} was made for {unquoted(made.label)}, but the scores are of {judge.label}; "
            f"load the file that the {kind} was made with, or {remedy}"
        )
