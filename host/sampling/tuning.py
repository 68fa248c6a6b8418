"""What a tuning draws: a student's images in any number of steps, and what the teacher makes of them in any way."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from ...adaptive_diffusion.gate.calibration import CHUNK, Found
from ...adaptive_diffusion.gate.outcome import OVERFLOWS
from ...adaptive_diffusion.gate.tuning import Tuning
from ...adaptive_diffusion.gate.ways import STUDENT, Setting, Way
from ..hosted import Hosted
from ..rows.latents import Latent
from .calibration import Calibration, TimedDrawn, check, decode, draw_batches, empty
from .teaching import Teaching, as_merged, check_teaching, teach

Start = tuple[Latent, torch.Tensor | None]


@dataclass(frozen=True)
class Tuner:
    """What draws and scores. student, teacher: all of them but what settings say; judge: a second one, or None."""

    student: Calibration
    teacher: Teaching
    judge: Hosted | None
    _starts: dict[tuple[int, int], Start] = field(default_factory=dict)

    def described(self, settings: Sequence[Setting], budgets: Sequence[float]) -> Tuning:
        """What its journal says of it, and what is to be tried."""
        task, estimator = self.student.described, self.student.judge
        named = {"strategy": None, "steps": None, "rollback": None}
        return Tuning(
            task.estimator,
            self.judge.described.settings if self.judge else {},
            estimator.estimator.feature_names,
            replace(task.student, steps=None),
            replace(self.teacher.described, **named),
            task.prompts,
            task.seed,
            task.batch,
            settings,
            budgets,
        )

    def check(self, settings: Sequence[Setting]) -> None:
        """ValueError where one of the settings cannot run."""
        check(self.student)
        for setting in settings:
            check_teaching(self._teaching(setting.teacher))

    def draw(self, way: Way, starts: Sequence[int]) -> Iterator[Found]:
        """See `tuning.tune`."""
        if way.strategy == STUDENT:
            yield from self._draw_student(way, starts)
        else:
            yield from self._teach(way, starts)

    def _draw_student(self, way: Way, starts: Sequence[int]) -> Iterator[Found]:
        drawn = draw_batches(self._calibration(way), starts, way.candidate)
        for first, each in zip(starts, drawn, strict=True):
            images, seconds = _timed(self.student.vae, each)
            if not way.candidate:
                self._remember((way.student_steps, first), (each.latent, images))
            yield first, self._looked(first, images, each, seconds, features=True)

    def _teach(self, way: Way, starts: Sequence[int]) -> Iterator[Found]:
        teaching, task = self._teaching(way), self._calibration(way)
        latents, students = zip(*(self._start(way, first) for first in starts), strict=True)
        for first, each, student in zip(
            starts, teach(task, teaching, starts, latents, students), students, strict=True
        ):
            _check_drawn(way, first, each)
            images, seconds = _timed(teaching.vae, each)
            yield first, self._looked(first, as_merged(images, student), each, seconds)

    def _looked(
        self, first: int, images: torch.Tensor, drawn: TimedDrawn, seconds: float, features: bool = False
    ) -> dict[str, Any]:
        """The columns of a batch."""
        prompts, count = [self.student.prompts[i] for i in self.student.rows(first)], len(images)
        begun = time.perf_counter()
        reading = self.student.judge.read(images, prompts)
        scoring, scores = (time.perf_counter() - begun) / count, reading.scores.tolist()
        return {
            "scores": scores,
            "quality": self.judge.read(images, prompts).scores.tolist() if self.judge else scores,
            "evaluations": [float(spent.evaluations) for spent in drawn.spent],
            "seconds": [seconds] * count,
            "scoring": [scoring] * count,
            **({"features": reading.features.numpy()} if features else {}),
        }

    def _start(self, way: Way, first: int) -> Start:
        """What the teacher starts from of a batch: the student's, drawn again where it is not at hand."""
        if not way.student_steps:
            return {"samples": empty(self.student)["samples"].repeat(len(self.student.rows(first)), 1, 1, 1)}, None
        place = (way.student_steps, first)
        if place not in self._starts:
            [drawn] = draw_batches(self._calibration(way), [first])
            self._remember(place, (drawn.latent, decode(self.student.vae, drawn.latent)))
        return self._starts[place]

    def _remember(self, place: tuple[int, int], start: Start) -> None:
        """Keep what belongs to one chunk."""
        far = max(CHUNK, self.student.batch)
        for other in [other for other in self._starts if abs(other[1] - place[1]) >= far]:
            del self._starts[other]
        self._starts[place] = start

    def _calibration(self, way: Way) -> Calibration:
        student = self.student.student
        return replace(self.student, student=replace(student, steps=way.student_steps or student.steps))

    def _teaching(self, way: Way) -> Teaching:
        settings = {**self.teacher.settings, "steps": way.teacher_steps, "rollback": way.rollback or 0.0}
        return replace(self.teacher, strategy=way.strategy, settings=settings)


def _timed(vae: Any, drawn: TimedDrawn) -> tuple[torch.Tensor, float]:
    """The images of a batch, and the seconds that it took to draw and decode one."""
    begun = time.perf_counter()
    images = decode(vae, drawn.latent)
    return images, drawn.seconds + (time.perf_counter() - begun) / len(images)


def _check_drawn(way: Way, first: int, drawn: TimedDrawn) -> None:
    """ValueError where an image that no student's can stand in for did not come out."""
    failed = [place for place, spent in enumerate(drawn.spent) if spent.failed]
    if failed and not way.student_steps:
        raise ValueError(
            f"the teacher's image of prompt {first + failed[0]} came out with NaN or infinite values; {OVERFLOWS}"
        )
