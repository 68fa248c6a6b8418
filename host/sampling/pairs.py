"""Pairs of a student's and a teacher's image of one prompt, scored: in bounded memory, the models taking turns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from ...adaptive_diffusion.gate.calibration import Found, chunks
from ...adaptive_diffusion.gate.pairing import PairTask
from ..hosted import Hosted
from .calibration import Calibration, check, decode, draw_batches
from .teaching import Teaching, as_merged, check_teaching, teach


@dataclass(frozen=True)
class Pairing:
    """What draws and scores pairs. judge: a second estimator, whose scores say which image is better; None for none."""

    student: Calibration
    teacher: Teaching
    judge: Hosted | None

    @property
    def described(self) -> PairTask:
        """What their journal and their file say of them."""
        task, estimator = self.student.described, self.student.judge.estimator
        return PairTask(
            task.estimator,
            task.student,
            task.prompts,
            task.seed,
            task.batch,
            teacher=self.teacher.described,
            judge=self.judge.described.settings if self.judge else {},
            feature_names=estimator.feature_names,
        )


def check_pairing(task: Pairing) -> None:
    """ValueError where the student or the teacher cannot be run with these settings."""
    check(task.student)
    check_teaching(task.teacher)


def draw_pairs(task: Pairing, starts: Sequence[int]) -> Iterator[Found]:
    """The scores and features of the batches that begin with these prompts, one batch after the other.

    The models take turns once per chunk: the student draws all of it, then it is looked at, then the teacher draws.
    """
    student = task.student
    for chunk in chunks(starts, student.batch):
        drawn = draw_batches(student, chunk)
        images = [decode(student.vae, each.latent) for each in drawn]
        prompts = [[student.prompts[i] for i in student.rows(first)] for first in chunk]
        seen = [student.judge.read(*each) for each in zip(images, prompts, strict=True)]
        improved = teach(student, task.teacher, chunk, [each.latent for each in drawn], images)
        better = [
            as_merged(decode(task.teacher.vae, each.latent), students)
            for each, students in zip(improved, images, strict=True)
        ]
        scores = [student.judge.read(*each).scores.tolist() for each in zip(better, prompts, strict=True)]
        judged = _judged(task.judge, images, better, prompts)
        for first, reading, improved_scores, verdicts in zip(chunk, seen, scores, judged, strict=True):
            found: dict[str, Any] = {
                "features": reading.features.numpy(),
                "teacher_scores": improved_scores,
                **verdicts,
            }
            yield first, {"scores": reading.scores.tolist(), **found}


def _judged(
    judge: Hosted | None, students: Sequence, teachers: Sequence, prompts: Sequence[Sequence[str]]
) -> list[dict[str, numpy.ndarray]]:
    """The second judge's scores of both images of each pair, (B, 2), for every batch; nothing without a judge."""
    if judge is None:
        return [{}] * len(prompts)
    return [
        {"judged": numpy.array([judge.read(images, texts).scores.tolist() for images in pair]).T}
        for *pair, texts in zip(students, teachers, prompts, strict=True)
    ]
