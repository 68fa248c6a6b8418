"""A pipeline in two halves, for cards that cannot hold both models: a unit begins on one card and ends on another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import torch

from ..estimators import Estimator
from ..prompts import seeds_of
from ..standalone.drawing import Pipeline
from ..standalone.generation import records
from ..standalone.pipeline import AdaptiveDiffusionPipeline, Begun, Plan
from ..standalone.reading import cut_by, read_whole
from ..standalone.runs import png
from .drawing import Drawn


@dataclass(frozen=True)
class Handed:
    """What one half hands to the other. whole: the texts that the student reads to their ends.

    cut, told: see Progress.
    """

    begun: Begun
    first: int
    whole: list[str]
    cut: list[list[str]]
    told: list[str] = field(default_factory=list)

    @property
    def rejected(self) -> int:
        return len(self.begun.decision.rejected)


class _Beginning(AdaptiveDiffusionPipeline):
    """A pipeline whose run ends before the teacher's part."""

    def _run(self, plan: Plan) -> Any:
        return self.begin(plan)


class StudentHalf:
    """Draws and judges. seed, settings: as `models.WithPipeline` has them."""

    def __init__(self, estimator: Estimator, student: Pipeline, seed: int, settings: dict[str, Any]):
        self.pipeline, self.seed, self.settings = _Beginning(estimator, student, _absent), seed, settings

    def begin(self, prompts: Sequence[str], rows: slice) -> Handed:
        """The student's part of the pictures of these numbers."""
        begun: Any = self.pipeline(prompts, seed=seeds_of(self.seed, range(rows.start, rows.stop)), **self.settings)
        texts, student = [*prompts, self.settings.get("negative_prompt") or ""], self.pipeline.student
        cut = [cut_by("the student", student, texts), self.pipeline.estimator.cut(prompts)]
        return Handed(begun, rows.start, read_whole(student, texts), cut)


class TeacherHalf:
    """Improves what was rejected. vae: the student's, which tells whether its latents may be handed over."""

    def __init__(self, vae: torch.nn.Module | None, teacher: Pipeline):
        student: Any = SimpleNamespace(vae=vae)
        self.pipeline = AdaptiveDiffusionPipeline(_Elsewhere(), student, teacher)

    @torch.no_grad()
    def finish(self, handed: Handed) -> tuple[Drawn, list[list[str]]]:
        """Records and pictures of all that was begun, and what the teacher does not read to the end."""
        return finished(self.pipeline, handed), [[], [], cut_by("the teacher", self.pipeline.teacher, handed.whole)]


class _Elsewhere:
    """The estimator, for a half that asks it nothing."""

    def score(self, prompt: str, image: Any) -> float:
        raise AssertionError("the estimator is elsewhere")


def finished(pipeline: AdaptiveDiffusionPipeline, handed: Handed) -> Drawn:
    """Records and pictures of all that was begun; without rejects, no teacher is needed."""
    result = pipeline.finish(handed.begun)
    return records(result, handed.first), [png(image) for image in result.images]


def _absent() -> Pipeline:
    raise AssertionError("the teacher is elsewhere")


@dataclass(frozen=True)
class Halves:
    """What loads each half in a worker."""

    student: Callable[[], StudentHalf]
    teacher: Callable[[], TeacherHalf]
