"""calibrate: a student's percentile table from many prompts."""

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..prompts import prompt_seeds
from ..quoting import quoted
from .libraries import needing
from .options import add_estimator, add_prompts, add_student, fill
from .reading import prompts_of, warn_of_cut

if TYPE_CHECKING:
    from ..estimators import Estimator
    from ..gate.calibration import Found, Task
    from ..gate.student import Student


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "calibrate",
        help="score a student's images of many prompts into a percentile table",
        description="Draw and score an image for each prompt and save their percentile table. The same command goes on "
        "where it was stopped. Without another student the demo's is used.",
    )
    add_prompts(parser, required=True)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the table, such as mine.json")
    add_student(parser)
    add_estimator(parser)
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> str:
    prompts = prompts_of(chosen)
    with needing("standalone"):
        from tqdm import tqdm

        from ..gate.calibration import Task, calibrate
        from ..gate.judge import Judge
        from ..standalone import models
    _complete(chosen)
    models.check(chosen.student)
    models.check_prompts([*prompts, chosen.negative or ""], chosen.student, chosen.estimator)
    estimator = models.load_estimator(chosen.estimator, chosen.device, chosen.clip_tokenizer, chosen.clip_vision)
    task = Task(Judge.of(estimator).settings, _student(chosen), prompts, chosen.seed, chosen.batch)
    with tqdm(total=len(prompts), unit="image", disable=None) as bar:
        score = partial(_score, task, estimator, chosen)
        table = calibrate(chosen.out, task, score, lambda scores: bar.update(len(scores) - bar.n))
    return f"Table {chosen.out} holds {len(table.scores)} scores; their median is {table.threshold(50):.3f}"


def _complete(chosen: argparse.Namespace) -> None:
    """Fill in what was left out; ValueError where only a person can tell."""
    from ..standalone import demo, models

    if chosen.out.suffix != ".json":
        raise ValueError(f"{quoted(chosen.out)} does not end in .json; name the table so")
    if chosen.student == models.DEMO:
        fill(chosen, {"estimator": models.DEMO, "size": (demo.settings()["size"],) * 2})
    if chosen.estimator is None:
        raise ValueError("nothing scores the images; name an estimator's file with --estimator")
    if chosen.size is None:
        raise ValueError("a table is only valid for one size; give the one you draw in, such as --size 1024")
    student = models.settings(chosen.student, "student")
    fill(chosen, {"student_steps": student["steps"], "student_cfg": student["cfg"]})
    fill(chosen, models.hardware(chosen.device))
    models.check_guidance(chosen.student, chosen.student_cfg)


def _student(chosen: argparse.Namespace) -> "Student":
    from ..standalone import identity, models

    name = identity.DEMO_NAME if chosen.student == models.DEMO else Path(chosen.student).name
    settings = (chosen.student_steps, chosen.student_cfg, *chosen.size, chosen.negative)
    return identity.student_of(name, chosen.dtype, *settings)


def _score(
    task: "Task", estimator: "Estimator", chosen: argparse.Namespace, starts: Sequence[int]
) -> "Iterator[Found]":
    """The scores of the batches that begin with these prompts."""
    from ..standalone import models
    from ..standalone.noise import check_reproducible
    from ..standalone.pipeline import AdaptiveDiffusionPipeline
    from ..standalone.reading import cut_by

    student = models.load_student(chosen.student, chosen.device, chosen.dtype)
    check_reproducible(student, "student")
    pipeline, seeds = AdaptiveDiffusionPipeline(estimator, student, None), prompt_seeds(task.seed, len(task.prompts))
    warn_of_cut(cut_by("the student", student, [*task.prompts, chosen.negative or ""]))
    warn_of_cut(estimator.cut(task.prompts))
    width, height = chosen.size
    for first in starts:
        rows = slice(first, first + task.batch)
        result = pipeline(
            task.prompts[rows],
            num_inference_steps_student=chosen.student_steps,
            student_guidance=chosen.student_cfg,
            k=0,
            seed=seeds[rows],
            negative_prompt=chosen.negative,
            height=height,
            width=width,
            batch_size=task.batch,
        )
        yield first, {"scores": result.decision.scores.values}
