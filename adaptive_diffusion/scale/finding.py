"""Finding things on Ray that are not kept in shards: scores and pairs, which the driver keeps."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from .cluster import needed
from .drawing import TRIES, heard
from .reasons import first_line, whole

Find = Callable[[Any], Iterable[Any]]


@dataclass(frozen=True)
class Answer:
    """What a worker found. reason: why it found nothing, else empty. told: warnings."""

    found: Sequence[Any]
    reason: str
    told: Sequence[str]


class _Worker:
    """An actor that loads its models once. make: gives what finds things."""

    def __init__(self, make: Callable[[], Find]):
        self.make = make
        self.find: Find | None = None

    def answer(self, asked: Any) -> Answer:
        found, reason = [], ""
        with heard() as told:
            try:
                self.find = self.find or self.make()
                found = [*self.find(asked)]
            except Exception as error:
                reason = whole(error)
        return Answer(found, reason, told)


class Finders:
    """Workers on Ray, while it is connected. A task whose worker dies is given to it again, TRIES times in all."""

    def __init__(self, make: Callable[[], Find], workers: int, tell: Callable[[str], object]):
        """make: run in each worker, gives what it finds things with. tell: called with each warning, once."""
        import ray

        kind = ray.remote(max_restarts=-1, max_task_retries=TRIES - 1, **needed())(_Worker)
        self._workers: list[Any] = [kind.remote(make) for _ in range(workers)]
        self._tell, self._told = tell, set[str]()

    def __len__(self) -> int:
        return len(self._workers)

    def found(self, asked: Sequence[Any], worker: Callable[[int], int] | None = None) -> Iterator[Any]:
        """What is found of each of these, as it comes. ValueError where one of them cannot be had.

        worker: the number of the one that is to find the i-th; without, whoever is free.
        """
        if worker is None:
            yield from self._of_any(asked)
            return
        import ray

        answer: Any = ray.get
        left = [self._workers[worker(i) % len(self)].answer.remote(each) for i, each in enumerate(asked)]
        while left:
            [done], left = ray.wait(left)
            yield from self._taken(partial(answer, done))

    def _of_any(self, asked: Sequence[Any]) -> Iterator[Any]:
        from ray.util import ActorPool

        pool = ActorPool(self._workers)
        for each in asked:
            pool.submit(lambda worker, value: worker.answer.remote(value), each)
        while pool.has_next():
            yield from self._taken(pool.get_next_unordered)

    def _taken(self, take: Callable[[], Answer]) -> Sequence[Any]:
        from ray.exceptions import RayError

        try:
            answer = take()
        except RayError as error:
            raise ValueError(
                f"a worker died {TRIES} times ({first_line(error)}); what is there already is kept"
            ) from error
        for sentence in [sentence for sentence in answer.told if sentence not in self._told]:
            self._told.add(sentence)
            self._tell(sentence)
        if answer.reason:
            raise ValueError(answer.reason)
        return answer.found
