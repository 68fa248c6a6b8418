"""What became of an image after its verdict."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional, TypeVar

from .cost import Spent

T = TypeVar("T")
ACCEPTED, REJECTED, FAILED = "accepted", "rejected", "teacher failed"
"""What is said of an image: the last of one that was rejected, and of which the teacher made nothing."""
IMPROVED, KEPT = "improved", "kept"
"""What a rejected image became: the teacher's, or still the student's, which scored higher."""

OVERFLOWS = "often half precision overflows: try another dtype, guidance or sampler"


def kept_instead(images: str) -> str:
    """A sentence that the teacher failed for `images`, which are counted or named there in the plural."""
    return f"{FAILED}: {images} came out black or not finite, so the student's are kept; {OVERFLOWS}"


@dataclass(eq=False)
class Outcome:
    """Written by the nodes behind a gate, each under its id; one object for all copies of the image's decision.

    spent: what each teacher took for the image. taken: whether each merge took its improved image; broken: whether that
    was black or not finite.
    later: what followed the verdict of each gate behind a teacher. earlier: what an earlier gate led to.
    keep: of an image that was held, what is called with its result (see holding) once it has come to its end.
    """

    earlier: Optional["Outcome"] = None
    spent: dict[str, Spent] = field(default_factory=dict)
    taken: dict[str, bool] = field(default_factory=dict)
    broken: dict[str, bool] = field(default_factory=dict)
    later: dict[str, "Outcome"] = field(default_factory=dict)
    keep: Callable[[Any], None] | None = None

    def entered(self, gate: str) -> None:
        """Tell the earlier outcome that this one followed at `gate`, in the place of what did in an earlier run."""
        if self.earlier:
            self.earlier.later[gate] = self

    def paid(self, nodes: Collection[str] | None = None) -> Spent | None:
        """What the teachers among `nodes`, of all without, took behind this gate; None where none of them told."""
        found = list(self._paid(nodes))
        return sum(found, Spent(0, 0)) if found else None

    def paid_before(self, nodes: Collection[str] | None = None) -> Spent:
        """What those of earlier gates took."""
        if not self.earlier:
            return Spent(0, 0)
        return sum(_told(self.earlier.spent, nodes), self.earlier.paid_before(nodes))

    def was_taken(self, nodes: Collection[str] | None = None) -> bool | None:
        """Whether one of the merges among `nodes`, of all without, took the improved image; None where none told."""
        found = _told(self.taken, nodes)
        return any(found) if found else None

    def failed(self, nodes: Collection[str] | None = None) -> bool:
        """Whether none of the teachers among `nodes`, of all without, made an image, or a merge found it to be none."""
        made = [not spent.failed for spent in self._paid(nodes)]
        if made and not any(made):
            return True
        return any(_told(self.broken, nodes)) and not self.was_taken(nodes)

    def _paid(self, nodes: Collection[str] | None) -> Iterator[Spent]:
        yield from _told(self.spent, nodes)
        for outcome in _told(self.later, nodes):
            yield from outcome._paid(nodes)


def _told(entries: Mapping[str, T], nodes: Collection[str] | None) -> list[T]:
    return [entry for node, entry in entries.items() if nodes is None or node in nodes]
