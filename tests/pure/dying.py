"""Pipelines as workers make them, some of which end their process."""

import os
from functools import partial

from adaptive_diffusion.scale import halves, models
from adaptive_diffusion.standalone.pipeline import AdaptiveDiffusionPipeline
from tests.pure import tiny

POISON = "white circle"
SETTINGS = {**tiny.QUICK, "k": 100, "batch_size": 2}


class Dying(AdaptiveDiffusionPipeline):
    """Ends its process, or fails, at a prompt."""

    def __init__(self, fails: bool, *parts):
        super().__init__(*parts)
        self.fails = fails

    def __call__(self, prompt, *arguments, **options):
        if POISON in prompt:
            if self.fails:
                raise OSError(28, "No space left on device")
            os._exit(9)
        return super().__call__(prompt, *arguments, **options)


def make(kind=AdaptiveDiffusionPipeline, *first) -> AdaptiveDiffusionPipeline:
    return kind(*first, tiny.Judge(0.1, 0.2, 0.3, 0.4, 0.5), tiny.new_student(), tiny.new_teacher())


def drawer(*how) -> models.WithPipeline:
    return models.WithPipeline(make(*how), 0, SETTINGS)


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


def no_model():
    raise FileNotFoundError("there is no model in 'x'; name one")


class Finding:
    """Finds the square of a number; at some it fails, or ends its process, once or always."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, asked):
        if asked == 3:
            raise ValueError("3 is no number")
        if asked == 4 and not (self.folder / "died").exists():
            (self.folder / "died").touch()
            os._exit(9)
        if asked == 5:
            os._exit(9)
        yield asked**2
