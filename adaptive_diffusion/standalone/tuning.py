"""What a tuning draws, with diffusers' pipelines."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from ..diffusion.noise import derive_seed
from ..estimators import Estimator
from ..estimators.base import reading_of
from ..gate.calibration import CHUNK, Found
from ..gate.decision import QualityScores, decide
from ..gate.ways import REFINE, REGENERATE, STUDENT, Way
from ..prompts import prompt_seeds
from .drawing import Drawn, Pipeline, draw
from .evaluation import Judge
from .improved import channels_last, check_student, put_back
from .settings import of_pipeline
from .teaching import Teaching, in_mode


@dataclass(frozen=True)
class Sampling:
    """What of both models' settings a tuning does not try. size: width and height in pixels.

    scale: in which the rollback counts; None for diffusers' own.
    """

    student_guidance: float
    teacher_guidance: float
    negative_prompt: str | None
    size: tuple[int, int]
    scale: str | None


@dataclass(frozen=True)
class Tuner:
    """What draws and scores; prompt i is drawn with seed + i, `batch` at a time. judge: a second one, or None."""

    estimator: Estimator
    student: Pipeline
    teacher: Pipeline
    sampling: Sampling
    prompts: Sequence[str]
    seed: int
    batch: int
    judge: Judge | None
    _drawn: dict[tuple[int, int], Drawn] = field(default_factory=dict)

    def draw(self, way: Way, starts: Sequence[int]) -> Iterator[Found]:
        """See `gate.tuning.tune`."""
        for first in starts:
            begun = time.perf_counter()
            drawn = self._draw_student(way, first) if way.strategy == STUDENT else self._teach(way, first)
            seconds = (time.perf_counter() - begun) / len(drawn.pixels)
            images = self._checked(drawn, way, first)
            yield first, self._looked(images, drawn, first, seconds, features=way.strategy == STUDENT)

    def _checked(self, drawn: Drawn, way: Way, first: int) -> torch.Tensor:
        """The images (B, H, W, 3); in the place of a teacher's that is none, the student's that it was made of.

        ValueError for one that is not finite where no other can stand in for it.
        """
        if way.strategy != REFINE:
            check_student(drawn, self._texts(first))
            return channels_last(drawn.pixels)
        before = channels_last(self._start(way, first).pixels)
        scores = QualityScores((0.0,) * len(before))
        return put_back(decide(scores, math.inf), before, drawn, way.teacher_steps)[0]

    def _draw_student(self, way: Way, first: int) -> Drawn:
        seeds = self._seeds(first)
        if way.candidate:
            seeds = [derive_seed(seed, "candidate", way.candidate) for seed in seeds]
        width, height = self.sampling.size
        settings = of_pipeline(way.student_steps, self.sampling.student_guidance, self.sampling.negative_prompt)
        settings |= {"width": width, "height": height}
        drawn = draw(self.student, self._texts(first), seeds, self.batch, settings)
        if not way.candidate:
            self._remember((way.student_steps, first), drawn)
        return drawn

    def _teach(self, way: Way, first: int) -> Drawn:
        start = self._start(way, first)
        return self._teaching(way).improve(self.teacher, self.student, start, self._texts(first), self._seeds(first))

    def _start(self, way: Way, first: int) -> Drawn:
        """What the teacher starts from: what the student drew, again where it is not at hand."""
        if way.strategy == REGENERATE:
            width, height = self.sampling.size
            return Drawn(torch.empty(len(self._texts(first)), 3, height, width), None, 0, ())
        place = (way.student_steps, first)
        return (
            self._drawn[place] if place in self._drawn else self._draw_student(Way(STUDENT, way.student_steps), first)
        )

    def _teaching(self, way: Way) -> Teaching:
        settings = self.sampling
        how = (way.teacher_steps, settings.teacher_guidance, settings.negative_prompt)
        return Teaching.of(way.strategy, *how, way.rollback or 0.0, settings.scale, self.batch)

    def check(self, ways: Sequence[Way]) -> None:
        """ValueError where the teacher cannot be run in one of these ways."""
        for way in ways:
            self._teaching(way)
            in_mode(self.teacher, takes_image=way.strategy == REFINE)

    def _looked(self, images: torch.Tensor, drawn: Drawn, first: int, seconds: float, features: bool) -> dict[str, Any]:
        """The columns of a batch."""
        prompts, count = self._texts(first), len(images)
        begun = time.perf_counter()
        reading = reading_of(self.estimator, images, prompts)
        scoring, scores = (time.perf_counter() - begun) / count, reading.scores.tolist()
        return {
            "scores": scores,
            "quality": self.judge.score(images, prompts).tolist() if self.judge else scores,
            "evaluations": list(drawn.evaluations),
            "seconds": [seconds] * count,
            "scoring": [scoring] * count,
            **({"features": reading.features.numpy()} if features else {}),
        }

    def _remember(self, place: tuple[int, int], drawn: Drawn) -> None:
        """Keep what belongs to one chunk."""
        far = max(CHUNK, self.batch)
        for other in [other for other in self._drawn if abs(other[1] - place[1]) >= far]:
            del self._drawn[other]
        self._drawn[place] = drawn

    def _texts(self, first: int) -> list[str]:
        return list(self.prompts[first : first + self.batch])

    def _seeds(self, first: int) -> list[int]:
        return prompt_seeds(self.seed, len(self.prompts))[first : first + self.batch]
