"""The running table: the tracked threshold of a student and estimator, in a file to look at, share or delete."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..digest import digest
from ..files import write_atomically
from ..locks import locked
from ..quoting import quoted, unquoted
from ..reading import Unreadable, read_json, told
from .drift import WINDOW, RunningThreshold
from .percentiles import PercentileTable
from .student import PLAIN, Student, differences

FORMAT = "adaptive-diffusion running table"
VERSION = 1
COUNTED, RUNS = 4096, 16
_DESCRIPTION = ("table", "estimator", "student")


@dataclass(frozen=True)
class RunningTable:
    """What a tracked threshold is of, and which images it has counted.

    table: name of the percentile table it started from. estimator (fields of Judge), student (of Student).
    images: how many were counted. counted: digests of the latest ones, oldest first. judged: thresholds of the latest
    runs, by the digest of their images and k.
    """

    table: str
    estimator: Mapping[str, Any]
    student: Mapping[str, Any]
    tracked: RunningThreshold
    images: int = 0
    judged: Mapping[str, float] = field(default_factory=dict)
    counted: tuple[str, ...] = ()

    @classmethod
    def start(cls, table: PercentileTable, estimator: Mapping[str, Any], student: Student | None) -> "RunningTable":
        """One that has counted nothing yet; without a student, it is of the one the table was made with."""
        settings = student.settings if student else dict(table.student)
        return cls(table.name, estimator, settings, RunningThreshold.start(table))

    @property
    def name(self) -> str:
        """The file's stem: the table's name, and letters that differ for another student or estimator."""
        return f"{self.table} {digest(self.described)[:8]}"

    @property
    def _formerly_described(self) -> list[dict[str, Any]]:
        """What earlier versions knew of estimators, students without patches and text alone: files had that name."""
        student, estimator = Student.read(self.student), {**self.estimator}
        estimator.pop("weights", None)
        students = [self.student]
        if student.conditioning in (None, PLAIN):
            students.append({name: value for name, value in self.student.items() if name != "conditioning"})
            students += [student.settings_known_at_first] if student.patch_digest in (None, PLAIN) else []
        estimators = [self.estimator, estimator]
        return [{**self.described, "estimator": judge, "student": each} for each in students for judge in estimators]

    @property
    def described(self) -> dict[str, Any]:
        return {part: getattr(self, part) for part in _DESCRIPTION}

    @property
    def told(self) -> dict[str, Any]:
        """What a record says of it."""
        asked = round(self.tracked.asked, 1)
        return {"name": self.name, "images": self.images, "rejected": self.tracked.rejected, "asked": asked}

    def __str__(self) -> str:
        asked = f"{self.tracked.rejected} rejected, {self.tracked.asked:.0f} asked for"
        return f"following {self.images} images: {asked} (running table {quoted(self.name)})"

    def judge(self, scores: Sequence[float], digests: Sequence[str], k: float) -> tuple[float, "RunningTable"]:
        """The threshold for one run's images at the percentile k (0..100), and the table after them.

        digests: one per score; an image that was counted before is judged, but not counted again. The same images at
        the same k get the same threshold again, as long as their run is among the latest.
        """
        run = digest([*digests, k])
        if run in self.judged:
            return self.judged[run], self
        seen = set(self.counted)
        new = {name: score for name, score in zip(digests, scores, strict=True) if name not in seen}
        threshold, tracked = self.tracked.judge(list(new.values()), k)
        judged = {**self.judged, run: threshold} if math.isfinite(threshold) else self.judged
        return threshold, RunningTable(
            **self.described,
            tracked=tracked,
            images=self.images + len(new),
            judged=dict(list(judged.items())[-RUNS:]),
            counted=(*self.counted, *new)[-COUNTED:],
        )

    def judge_in(
        self, folder: Path, scores: Sequence[float], digests: Sequence[str], k: float
    ) -> tuple[float, "RunningTable"]:
        """As `judge`, but going on with what is kept of this table in `folder`, and kept there again.

        One process after the other. ValueError where what is kept is damaged or of something else.
        """
        path = folder / f"{self.name}.json"
        with locked(path):
            kept = next((each for each in (path, *self._former_paths(folder)) if each.exists()), None)
            threshold, running = (self._gone_on(kept) if kept else self).judge(scores, digests, k)
            running.save(path)
            if kept and kept != path:
                kept.unlink()
        return threshold, running

    def _former_paths(self, folder: Path) -> list[Path]:
        return [folder / f"{self.table} {digest(former)[:8]}.json" for former in self._formerly_described]

    def _gone_on(self, path: Path) -> "RunningTable":
        """What is kept at `path`, with all that is known now of what it is of."""
        found = RunningTable.load(path)
        if changes := differences(found.described, self.described):
            raise ValueError(
                f"running table {quoted(path.stem)} has {', '.join(changes)}; "
                f"give {unquoted(path.name)} its own name back, or delete it to begin again"
            )
        return replace(found, **self.described)

    @classmethod
    def load(cls, path: Path) -> "RunningTable":
        """Read a file that `save` wrote; ValueError where it is none, of another version or damaged."""
        damaged = f"running table {quoted(path.stem)} is damaged; delete {unquoted(path.name)} to begin again"
        content = read_json(path, damaged)
        with told(damaged):
            found = (content.get("format"), content.get("version"))
            if found != (FORMAT, VERSION):
                raise Unreadable(
                    f"running table {quoted(path.stem)} has format {quoted(found[0])} version {quoted(found[1])}; "
                    f"this pack reads {FORMAT!r} version {VERSION}; delete {unquoted(path.name)} to begin again"
                )
            return _read(content)

    def save(self, path: Path) -> None:
        """Write the table as JSON; a reader sees the old file or the new one, never half of one."""
        content = {"format": FORMAT, "version": VERSION, **self.described, "images": self.images}
        content |= {"rejected": self.tracked.rejected, "asked": self.tracked.asked, "recent": self.tracked.recent}
        content |= {"judged": self.judged, "counted": self.counted}
        write_atomically(path, (json.dumps(content, indent=1) + "\n").encode())


def _read(content: Mapping[str, Any]) -> RunningTable:
    """The table in parsed JSON; an error of Python's own where a part is missing or of another kind."""
    tracked = RunningThreshold(tuple(content["recent"]), content["rejected"], content["asked"])
    kept = {part: content[part] for part in (*_DESCRIPTION, "images", "judged")}
    read = RunningTable(**kept, tracked=tracked, counted=tuple(content["counted"]))
    numbers = (*tracked.recent, tracked.rejected, tracked.asked, read.images, *read.judged.values())
    if len(tracked.recent) != WINDOW or not all(map(math.isfinite, numbers)):
        raise ValueError("numbers are missing")
    if not all(isinstance(name, str) for name in (read.table, *read.judged, *read.counted)):
        raise TypeError("names are missing")
    return read
