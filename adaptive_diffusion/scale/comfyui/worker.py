"""Drawing a run's units on a ComfyUI server."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...prompts import CAPTION, seeds_of
from ...quoting import unquoted
from ...standalone.runs import Record
from ..drawing import TRIES, Died, Drawn
from ..stores import Store
from . import results
from .process import Installation, Process
from .server import STOPPED, Gone, Server
from .workflow import Workflow

THRESHOLDS = "thresholds.json"
PATIENCE, PAUSE = 60.0, 1.0


@dataclass(frozen=True)
class Job:
    """What is drawn. seed: of picture 0. images: the node that has the final ones; None for the only one that saves.

    key: letters that differ for other runs. store: where the run lies.
    """

    workflow: Workflow
    seed: int
    images: str | None
    key: str
    store: Store


class OnServer:
    """Draws units on a ComfyUI that somebody started."""

    def __init__(self, job: Job, server: Server):
        """ValueError where no ComfyUI answers there."""
        self.job, self.server, self.stopped = job, server, False
        if not server.answers():
            raise ValueError(
                f"no ComfyUI answers at {server.address}; start one there, or have it started with --comfyui FOLDER"
            )

    def draw(self, prompts: Sequence[str], rows: slice) -> Drawn:
        for attempt in range(TRIES):
            try:
                self._revive()
                return self._draw(prompts, rows)
            except Gone as error:
                if self.stopped:
                    raise ValueError(STOPPED) from error
                if attempt == TRIES - 1:
                    raise self._ended(error) from error
        raise AssertionError

    def cut(self, _prompts: Sequence[str], _kept: Sequence[Record]) -> list[list[str]]:
        """ComfyUI's nodes tell by themselves."""
        return []

    def lives(self) -> bool:
        """Whether it may draw another unit."""
        return self.server.answers()

    def stop(self) -> None:
        """Have what is being drawn, in another thread, end soon."""
        self.stopped = self.server.stopped = True

    def close(self) -> None:
        """Leave the server."""

    def _revive(self) -> None:
        """Wait until the server answers again."""
        end = time.monotonic() + PATIENCE
        while not self.server.answers() and time.monotonic() < end:
            time.sleep(PAUSE)

    def _ended(self, error: Gone) -> Exception:
        return ValueError(f"{error}; start it again and give the same command")

    def _draw(self, prompts: Sequence[str], rows: slice) -> Drawn:
        seeds = seeds_of(self.job.seed, range(rows.start, rows.stop))
        begun, name = time.perf_counter(), self._bring(prompts, rows.start)
        with self.server.ran(self.job.workflow.of_unit(name, seeds[0])) as outputs:
            seconds = time.perf_counter() - begun
            self._check_thresholds(results.thresholds(outputs))
            places = results.pictures(outputs, len(prompts), self.job.images)
            kept = results.records(outputs, prompts, seeds, rows.start, seconds)
            files = [self.server.read(place) for place in places]
            results.check_are_png(places, files)
            return kept, files

    def _bring(self, prompts: Sequence[str], first: int) -> str:
        """Put a unit's prompts into the server's input folder; the file's name there."""
        different = prompts[:: self.job.workflow.pictures]
        lines = "".join(json.dumps({CAPTION: prompt}) + "\n" for prompt in different)
        name = self._name(first)
        self.server.upload(name, lines.encode())
        return name

    def _name(self, first: int) -> str:
        return f"adaptive-{self.job.key}-{first:09d}.jsonl"

    def _check_thresholds(self, found: Mapping[str, Any]) -> None:
        """ValueError where a table is not what it was in the run's first unit."""
        if not found:
            return
        store = self.job.store
        try:
            known = store.read(THRESHOLDS)
        except FileNotFoundError:
            store.put_new(THRESHOLDS, json.dumps(found).encode())
            known = store.read(THRESHOLDS)
        results.check_thresholds(known, found)


class OnItsOwn(OnServer):
    """Draws units on a ComfyUI of its own, which is started again where it ends."""

    def __init__(self, job: Job, of: Installation):
        self.process = Process(of)
        super().__init__(job, self.process.server)

    def draw(self, prompts: Sequence[str], rows: slice) -> Drawn:
        try:
            return super().draw(prompts, rows)
        finally:
            self.process.remove(self._name(rows.start))

    def lives(self) -> bool:
        return True

    def close(self) -> None:
        self.process.close()

    def _revive(self) -> None:
        """Start it again where it has ended, or is about to: one that is killed is silent before it is gone."""
        if not (self.process.lives and self.server.answers()):
            self.process.close()
            self.process = Process(self.process.of)
            self.server = self.process.server
            self.server.stopped = self.stopped

    def _ended(self, error: Gone) -> Exception:
        return Died(f"its ComfyUI died {TRIES} times: {unquoted(error)}")

    def _bring(self, prompts: Sequence[str], first: int) -> str:
        self.process.remove_at_end(self._name(first))
        return super()._bring(prompts, first)
