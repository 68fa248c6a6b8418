"""Drawing units of a run into its shards, whoever draws them."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from ..gate.outcome import ACCEPTED
from ..quoting import listed
from ..standalone.runs import Record
from .reasons import whole
from .sharded import ShardedRun

TRIES = 3
Drawn = tuple[list[Record], list[bytes]]


class Died(Exception):
    """Whatever draws has ended at a unit, TRIES times; what it was is the text."""


class Drawer(Protocol):
    """What draws units: models in this process, or a server."""

    def draw(self, prompts: Sequence[str], rows: slice) -> Drawn:
        """Records and PNG files of the pictures of these numbers. ValueError where that cannot be, or Died."""

    def cut(self, prompts: Sequence[str], kept: Sequence[Record]) -> list[list[str]]:
        """A sentence for each prompt that a model does not read to the end, in a list for each of the models.

        kept: what was drawn of the prompts.
        """


@dataclass(frozen=True)
class Progress:
    """What came of a unit.

    reason: why it was not drawn, empty where it was. seconds: of drawing. cut: as Drawer tells it. told: warnings.
    begins: whether the worker can draw at all.
    """

    unit: int
    images: int
    rejected: int
    seconds: float
    reason: str
    cut: list[list[str]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    begins: bool = True


def draw_unit(drawer: Drawer, run: ShardedRun, unit: int, prompts: Sequence[str]) -> list[Record]:
    """Draw and keep a unit, of whose prompts these are; its records. ValueError where that cannot be, or Died."""
    kept, pictures = drawer.draw(prompts, run.units[unit])
    run.put(unit, kept, pictures)
    return kept


def attempt(drawer: Drawer, run: ShardedRun, unit: int, prompts: Sequence[str]) -> Progress:
    """Draw and keep a unit; what came of it, whatever that is. One at which the drawer died is recorded as failed."""
    try:
        kept = draw_unit(drawer, run, unit, prompts)
        cut = drawer.cut(prompts, kept)
    except Died as error:
        run.fail(unit, str(error))
        return Progress(unit, 0, 0, 0.0, "")
    except Exception as error:
        return Progress(unit, 0, 0, 0.0, whole(error))
    return replace(progress_of(unit, kept), cut=cut)


def progress_of(unit: int, kept: Sequence[Record]) -> Progress:
    """What came of a unit that was drawn, of which these are the records."""
    rejected = sum(record["verdict"] != ACCEPTED for record in kept)
    return Progress(unit, len(kept), rejected, sum(record["seconds"] for record in kept), "")


@contextmanager
def heard() -> Iterator[list[str]]:
    """The warnings for a person that come within, each once, when it ends. Not for several threads at once."""
    told: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        yield told
    told += dict.fromkeys(str(each.message) for each in caught if issubclass(each.category, UserWarning))


def check(progress: Sequence[Progress], run: ShardedRun) -> None:
    """ValueError, with the first reason, where units were not drawn that can be drawn again."""
    undrawn = {each.unit: each.reason for each in progress if each.reason}
    if undrawn:
        raise ValueError(
            f"{run.count(undrawn)} images were not drawn (units {listed(sorted(undrawn))}): "
            f"{next(iter(undrawn.values()))}"
        )


Make = Callable[[], Drawer]
