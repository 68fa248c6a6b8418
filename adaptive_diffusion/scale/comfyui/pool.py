"""Several servers that draw one run's units, each driven by a thread of this process."""

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence

from ..drawing import Progress, attempt
from ..sharded import ShardedRun
from .worker import OnServer

Make = Callable[[], OnServer]
PAUSE = 0.2


class _Pool:
    """What the threads share."""

    def __init__(self, run: ShardedRun, units: Sequence[int], prompts: Sequence[str]):
        self.run, self.prompts, self.undone = run, prompts, {*units}
        self.units: queue.SimpleQueue[int] = queue.SimpleQueue()
        for unit in units:
            self.units.put(unit)
        self.told: queue.SimpleQueue[Progress | Exception | None] = queue.SimpleQueue()
        self.workers: list[OnServer] = []
        self.stopped = threading.Event()
        self.gone = ""

    def work(self, make: Make) -> None:
        """Draw units until all are done, or the server is gone; then say so by None."""
        try:
            worker = make()
            self.workers.append(worker)
            try:
                self._draw(worker)
            finally:
                worker.close()
        except Exception as error:
            self.told.put(error)
        finally:
            self.told.put(None)

    def _draw(self, worker: OnServer) -> None:
        while self.undone and not self.stopped.is_set():
            try:
                unit = self.units.get(timeout=PAUSE)
            except queue.Empty:
                continue
            progress = attempt(worker, self.run, unit, self.prompts[self.run.units[unit]])
            if progress.reason and not worker.lives():
                self.gone = progress.reason
                self.units.put(unit)
                return
            self.undone.discard(unit)
            self.told.put(progress)

    def stop(self) -> None:
        self.stopped.set()
        for worker in self.workers:
            worker.stop()

    def left(self) -> Iterator[Progress]:
        """The units that nobody is there to draw."""
        while not self.units.empty():
            yield Progress(self.units.get(), 0, 0, 0.0, self.gone)


def draw(run: ShardedRun, units: Sequence[int], prompts: Sequence[str], makes: Sequence[Make]) -> Generator[Progress]:
    """Have a server of each of `makes` draw these units of a run, of all of whose prompts these are; what each came to.

    A unit whose server is gone is drawn by another one. ValueError where a server cannot be had at all.
    """
    pool = _Pool(run, units, prompts)
    threads = [threading.Thread(target=pool.work, args=(make,)) for make in makes[: len(units)]]
    for thread in threads:
        thread.start()
    try:
        yield from _told(pool, len(threads))
        yield from pool.left()
    finally:
        pool.stop()
        for thread in threads:
            thread.join()


def _told(pool: _Pool, at_work: int) -> Iterator[Progress]:
    while at_work:
        told = pool.told.get()
        if isinstance(told, Exception):
            raise told
        if told is None:
            at_work -= 1
        else:
            yield told
