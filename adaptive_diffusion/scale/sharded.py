"""A run whose units any number of processes draw at once, each into a file of its own: what is there is done."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..digest import digest
from ..numeric import COUNT, IMAGES, SEED
from ..parts import parts
from ..quoting import quoted
from ..reading import Unreadable, parse_json, told
from ..standalone.runs import ABOUT, UNIT, VERSION, as_json, check_same_run
from .shards import Shard, failed_in, failed_name, packed, shard_name, units_in, unpacked
from .stores import Store

FORMAT = "adaptive-diffusion shards"
_GROWN = "more prompts meanwhile; give the command with all of them"
_LOST = "to another run meanwhile; draw this one elsewhere"


@dataclass(frozen=True)
class ShardedRun:
    """about: what run.json says, and all that draw it agree on."""

    store: Store
    about: Mapping[str, Any]

    @property
    def total(self) -> int:
        return self.about["prompts"]["count"]

    @cached_property
    def units(self) -> list[slice]:
        """The numbers of each unit's pictures."""
        return parts(self.total, self.about["unit"])

    @property
    def key(self) -> str:
        """Letters that differ for other runs, but not for one of more prompts."""
        return digest({**self.about, "prompts": self.about["prompts"]["seed"]})

    def count(self, units: Iterable[int]) -> int:
        """How many pictures so many units have."""
        return sum(self.units[unit].stop - self.units[unit].start for unit in units)

    def missing(self, share: tuple[int, int] = (1, 1)) -> list[int]:
        """The units that are neither drawn nor failed, of the i-th of n shares where `share` is (i, n), in order."""
        first, step = share
        names = self.store.names()
        done = units_in(names) | failed_in(names)
        return [unit for unit in range(first - 1, len(self.units), step) if unit not in done]

    def failed(self) -> list[int]:
        """The run's units that are recorded as failed and were not drawn since."""
        names = self.store.names()
        return sorted(unit for unit in failed_in(names) - units_in(names) if unit < len(self.units))

    def put(self, unit: int, records: Sequence[Mapping[str, Any]], pictures: Sequence[bytes]) -> None:
        """Keep a unit that was drawn. ValueError where the place was given to another run meanwhile."""
        self._check_still_there()
        self.store.put(shard_name(unit), packed(Shard(self.key, tuple(map(dict, records)), tuple(pictures))))

    def fail(self, unit: int, reason: str) -> None:
        """Record that a unit cannot be drawn."""
        rows = self.units[unit]
        told_of = {"unit": unit, "first": rows.start, "last": rows.stop - 1, "reason": reason}
        self.store.put(failed_name(unit), json.dumps(told_of).encode())

    def read(self, unit: int) -> Shard:
        """The unit's shard; ValueError where it is damaged, of another run or of another unit."""
        name, rows = shard_name(unit), self.units[unit]
        shard = unpacked(self.store.read(name), name)
        if shard.run != self.key:
            raise ValueError(f"{quoted(name)} is of another run; delete it and draw it again")
        if [record["index"] for record in shard.records] != [*range(rows.start, rows.stop)]:
            raise ValueError(
                f"{quoted(name)} does not hold the pictures {rows.start} to {rows.stop - 1}; "
                "delete it and draw it again"
            )
        return shard

    def _check_still_there(self) -> None:
        found = _said(self.store)
        if found != self.about:
            grown = ShardedRun(self.store, found).key == self.key and found["prompts"]["count"] > self.total
            raise ValueError(f"{quoted(self.store.place)} was given {_GROWN if grown else _LOST}")


def opened(store: Store, about: Mapping[str, Any], prompts: Sequence[str], unit: int | None = None) -> ShardedRun:
    """The run in a place, begun now or gone on with; ValueError where another is there, or something else.

    about, prompts, unit: as `standalone.runs.opened` takes them.
    """
    run = planned(store, about, prompts, unit)
    store.put_new(ABOUT, _lines(run.about))
    found = _said(store)
    _check_same(store, found, run.about, prompts)
    if found["prompts"] != run.about["prompts"]:
        _grow(store, found, run.about)
    return run


def planned(store: Store, about: Mapping[str, Any], prompts: Sequence[str], unit: int | None = None) -> ShardedRun:
    """The run that `opened` would begin or go on with; nothing is written."""
    names = store.names()
    found = _said(store) if ABOUT in names else None
    if found is None and names:
        raise ValueError(f"{quoted(store.place)} holds files of something else; choose another place")
    unit = unit or (found["unit"] if found else UNIT)
    wanted = as_json({"format": FORMAT, "version": VERSION, **about, "unit": unit})
    if found:
        _check_same(store, found, wanted, prompts)
    return ShardedRun(store, wanted)


def _check_same(store: Store, found: Mapping[str, Any], wanted: Mapping[str, Any], prompts: Sequence[str]) -> None:
    check_same_run(f"the run in {quoted(store.place)}", found, wanted, prompts)


def existing(store: Store) -> ShardedRun:
    """The run in a place; ValueError where there is none."""
    if ABOUT not in store.names():
        raise ValueError(f"there is no run in {quoted(store.place)}; draw one there with generate --shard")
    about = _said(store)
    if about.get("version") != VERSION:
        raise ValueError(
            f"the run in {quoted(store.place)} has version {quoted(about.get('version'))} instead of {VERSION}; use "
            "the release of this program that drew it"
        )
    return ShardedRun(store, about)


def _grow(store: Store, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Take more prompts on: a last unit that was not full is drawn again."""
    whole, rest = divmod(found["prompts"]["count"], found["unit"])
    if rest:
        store.remove(shard_name(whole))
        store.remove(failed_name(whole))
    store.put(ABOUT, _lines(wanted))


def _lines(about: Mapping[str, Any]) -> bytes:
    return json.dumps(about, indent=1).encode() + b"\n"


def _said(store: Store) -> dict[str, Any]:
    """What run.json says."""
    damaged = f"{ABOUT} in {quoted(store.place)} is damaged; choose another place"
    data = store.read(ABOUT)
    with told(damaged):
        content = parse_json(data)
        if content.get("format") != FORMAT:
            raise Unreadable(f"{quoted(store.place)} holds no shards but another run; choose another place")
        IMAGES.of("unit", content["unit"])
        COUNT.of("count", content["prompts"]["count"])
        SEED.of("seed", content["prompts"]["seed"])
        return content
