"""Drawing on Ray where each worker holds either the student or the teacher."""

import gc
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from .cluster import needed
from .drawing import TRIES, Progress, heard, progress_of
from .halves import Halves, Handed, finished
from .reasons import first_line, whole
from .roles import OTHER, STUDENT, TEACHER, next_role, teachers
from .sharded import ShardedRun

MANY = 256
"""Of so many images the share that is rejected is seen to 3 %."""


@dataclass(frozen=True)
class Told:
    """What a worker tells of what it did. seconds: that it took. progress: of a unit that is done, or cannot be."""

    seconds: float
    rejected: int = 0
    progress: Progress | None = None


class _Worker:
    """An actor that holds one half of the models."""

    def __init__(self, run: ShardedRun, halves: Halves):
        self.run, self.halves = run, halves
        self.half: Any = None

    def load(self, role: str) -> Told:
        """Hold this half from now on, and no other."""
        begun, self.half = time.monotonic(), None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        try:
            self.half = (self.halves.student if role == STUDENT else self.halves.teacher)()
        except Exception as error:
            return Told(0.0, progress=_undrawn(-1, error))
        return Told(time.monotonic() - begun)

    def begin(self, unit: int, prompts: Sequence[str]) -> tuple[Told, Handed | None]:
        """The student's part of a unit; all of it where nothing was rejected."""
        since, progress = time.monotonic(), None
        handed: Any = None
        with heard() as told:
            try:
                handed = self.half.begin(prompts, self.run.units[unit])
                if not handed.rejected:
                    progress = self._kept(unit, finished(self.half.pipeline, handed), handed.cut)
            except Exception as error:
                progress = _undrawn(unit, error)
        if progress:
            return Told(time.monotonic() - since, 0, replace(progress, told=told)), None
        return Told(time.monotonic() - since, handed.rejected), replace(handed, told=told)

    def finish(self, unit: int, handed: Handed) -> Told:
        """The teacher's part of a unit."""
        since = time.monotonic()
        with heard() as told:
            try:
                drawn, cut = self.half.finish(handed)
                progress = self._kept(unit, drawn, [*handed.cut, *cut[len(handed.cut) :]])
            except Exception as error:
                progress = _undrawn(unit, error)
        return Told(time.monotonic() - since, handed.rejected, replace(progress, told=[*handed.told, *told]))

    def _kept(self, unit: int, drawn: Any, cut: list[list[str]]) -> Progress:
        kept, pictures = drawn
        self.run.put(unit, kept, pictures)
        return replace(progress_of(unit, kept), cut=cut)


def _undrawn(unit: int, error: Exception) -> Progress:
    return Progress(unit, 0, 0, 0.0, whole(error))


@dataclass
class _Member:
    """A worker as the driver sees it."""

    actor: Any
    role: str


@dataclass
class _Seconds:
    """Means of what was measured so far. share: p where it is not measured yet, low and high: what it may be."""

    low: float
    high: float
    sums: dict[str, float] = field(default_factory=lambda: dict.fromkeys(OTHER, 0.0))
    images: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OTHER, 0))
    drawn: int = 0
    rejected: int = 0
    load: float = 0.0

    def add(self, role: str, images: int, told: Told) -> None:
        self.sums[role] += told.seconds
        self.images[role] += images
        if role == STUDENT:
            self.drawn, self.rejected = self.drawn + images, self.rejected + told.rejected

    def of(self, role: str) -> float:
        """Of an image."""
        return self.sums[role] / self.images[role] if self.images[role] else 0.0

    @property
    def share(self) -> float:
        """p: as it was seen; within what the table says while that was in few images."""
        seen = self.rejected / self.drawn if self.drawn else (self.low + self.high) / 2
        return seen if self.drawn >= MANY else min(self.high, max(self.low, seen))

    def wanted(self, workers: int) -> int | None:
        """How many teachers there should be; None before both were measured."""
        student, teacher = map(self.of, OTHER)
        return teachers(workers, self.share, student, teacher) if student and teacher else None


class Split:
    """The driver of a split run. halves: what each worker may hold. share: the interval for p, of 0 to 1."""

    def __init__(self, run: ShardedRun, halves: Halves, workers: int, share: tuple[float, float]):
        """ValueError for fewer than two workers."""
        if workers < 2:
            raise ValueError(f"--split needs two workers, one for each model, but there is {workers}; give --workers 2")
        self.run, self.halves, self.seconds = run, halves, _Seconds(*share)
        self.sized = False
        self.members = [self._member(TEACHER if i % 2 else STUDENT) for i in range(workers)]

    def draw(self, units: Sequence[int], prompts: Sequence[str]) -> Iterator[Progress]:
        """Draw these units of the run, of all of whose prompts these are; what each came to.

        Those at which a worker died TRIES times are recorded as failed. ValueError where a worker cannot begin.
        """
        import ray

        self.prompts, self.units, self.tries = prompts, deque(units), dict.fromkeys(units, 0)
        self.handed: deque[tuple[int, Any, int]] = deque()
        self.running: dict[Any, tuple[_Member, str, int, Any]] = {}
        for member in self.members:
            self._load(member)
        while self.running:
            [done], _ = ray.wait([*self.running], num_returns=1)
            progress = self._ended(done)
            if progress:
                yield progress
            self._assign()

    def _member(self, role: str) -> _Member:
        import ray

        return _Member(ray.remote(max_restarts=0, **needed())(_Worker).remote(self.run, self.halves), role)

    def _load(self, member: _Member) -> None:
        self.running[member.actor.load.remote(member.role)] = (member, "load", -1, None)

    def _ended(self, done: Any) -> Progress | None:
        """Take what a worker tells; what came of its unit, if that is known now."""
        import ray
        from ray.exceptions import RayError

        member, what, unit, handed = self.running.pop(done)
        try:
            told: Told = ray.get(done)
        except RayError as error:
            self._died(member, what, unit, error)
            return None
        if what == "load":
            if told.progress:
                raise ValueError(f"a worker cannot begin: {told.progress.reason}")
            self.seconds.load = max(self.seconds.load, told.seconds)
            return None
        images = self.run.count([unit]) if what == STUDENT else told.rejected
        self.seconds.add(what, images, told)
        if told.progress is None:
            self.handed.append((unit, handed, told.rejected))
        return told.progress

    def _died(self, member: _Member, what: str, unit: int, error: Exception) -> None:
        """Another worker in its place, and its unit begun again, or recorded as failed."""
        import ray

        ray.kill(member.actor)
        place = self.members.index(member)
        if what == "load":
            raise ValueError(f"a worker died as it began ({first_line(error)})")
        self.members[place] = self._member(member.role)
        self._load(self.members[place])
        self.tries[unit] += 1
        if self.tries[unit] < TRIES:
            self.units.appendleft(unit)
        else:
            self.run.fail(unit, f"its worker died {TRIES} times")

    def _assign(self) -> None:
        """Give every worker that is free something to do, or the other model."""
        busy = [id(member) for member, *_ in self.running.values()]
        for member in [member for member in self.members if id(member) not in busy]:
            role = self._role_of(member)
            if role != member.role:
                member.role = role
                self._load(member)
            elif role == STUDENT and self.units:
                self._begin(member, self.units.popleft())
            elif role == TEACHER and self.handed:
                unit, handed, _ = self.handed.popleft()
                self.running[member.actor.finish.remote(unit, handed)] = (member, TEACHER, unit, None)

    def _begin(self, member: _Member, unit: int) -> None:
        call = member.actor.begin.options(num_returns=2)
        told, handed = call.remote(unit, list(self.prompts[self.run.units[unit]]))
        self.running[told] = (member, STUDENT, unit, handed)

    def _role_of(self, member: _Member) -> str:
        """The one that a free worker is to have now."""
        workers = {role: sum(each.role == role for each in self.members) for role in OTHER}
        wanted = self.seconds.wanted(len(self.members))
        self.sized |= wanted == workers[TEACHER]
        # Before the pools have the size that was measured first, a queue that is too short is no reason to stay.
        load = self.seconds.load if self.sized else 0.0
        return next_role(member.role, self._waiting(), workers, load, workers[TEACHER] if wanted is None else wanted)

    def _waiting(self) -> dict[str, float]:
        """Seconds of work for each role; as good as none, but not none, before a role was measured."""
        counts = {STUDENT: self.run.count(self.units), TEACHER: sum(rejected for *_, rejected in self.handed)}
        return {role: count * max(self.seconds.of(role), 1e-9) for role, count in counts.items()}
