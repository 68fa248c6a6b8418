"""Pipelines of tiny models as workers make them, one of which ends its process."""

import os
from functools import partial

from adaptive_diffusion.scale import halves, models
from adaptive_diffusion.standalone.pipeline import AdaptiveDiffusionPipeline
from tests.pure import tiny
from tests.pure.dying import POISON

SETTINGS = {**tiny.QUICK, "k": 100, "batch_size": 2}


def make() -> AdaptiveDiffusionPipeline:
    return AdaptiveDiffusionPipeline(tiny.Judge(0.1, 0.2, 0.3, 0.4, 0.5), tiny.new_student(), tiny.new_teacher())


def drawer() -> models.WithPipeline:
    return models.WithPipeline(make(), 0, SETTINGS)


def short_drawer() -> models.WithPipeline:
    """Models of which the student reads one token; only in a worker, as its parts are shared."""
    made = drawer()
    made.pipeline.student.tokenizer.model_max_length = 1
    return made


class DyingHalf(halves.StudentHalf):
    """Ends its process at a prompt."""

    def begin(self, prompts, rows):
        if POISON in prompts:
            os._exit(9)
        return super().begin(prompts, rows)


def halves_of(kind=halves.StudentHalf) -> halves.Halves:
    return halves.Halves(partial(student_half, kind), teacher_half)


def student_half(kind) -> halves.StudentHalf:
    made = make()
    return kind(made.estimator, made.student, 0, SETTINGS)


def teacher_half() -> halves.TeacherHalf:
    made = make()
    return halves.TeacherHalf(made.student.vae, made.teacher)
