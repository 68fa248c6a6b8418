"""calibrate: a student's percentile table from many prompts, or a gate that knows its teacher."""

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..quoting import quoted
from .judging import load_estimator
from .libraries import needing
from .options import add_estimator, add_prompts, add_student, add_teacher, fill
from .pairs import add_judges, draw_gate
from .reading import prompts_of, warn_of_cut
from .sharing import add_cluster, check_workers, finding

if TYPE_CHECKING:
    from ..estimators import Estimator
    from ..gate.calibration import Task
    from ..gate.student import Student
    from ..scale.finding import Find

Tell = Callable[[Mapping[int, float]], object]


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "calibrate",
        help="score a student's images of many prompts into a percentile table, or fit a gate to them and a teacher's",
        description="Draw and score an image for each prompt and save their percentile table; or, with --gate, the "
        "student's and the teacher's image, and fit the gate that tells which the teacher improves. The same command "
        "goes on where it was stopped. Without another student the demo's is used.",
    )
    add_prompts(parser, required=True)
    made = parser.add_mutually_exclusive_group(required=True)
    made.add_argument("--out", type=Path, metavar="FILE", help="the table, such as mine.json")
    made.add_argument(
        "--gate", type=Path, metavar="FILE", help="a gate instead, such as mine.safetensors; its pairs lie beside it"
    )
    add_student(parser)
    add_teacher(parser)
    add_estimator(parser)
    add_judges(parser)
    add_cluster(parser)
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> str:
    check_workers(chosen)
    prompts = prompts_of(chosen)
    with needing("standalone"):
        from tqdm import tqdm

        from ..gate.calibration import Task
        from ..gate.judge import Judge
        from ..standalone import models
    _complete(chosen)
    models.check(chosen.student, chosen.teacher)
    models.check_prompts([*prompts, chosen.negative or ""], chosen.student, chosen.teacher, chosen.estimator)
    estimator = load_estimator(chosen)
    task = Task(Judge.of(estimator).settings, _student(chosen), prompts, chosen.seed, chosen.batch)
    with tqdm(total=len(prompts), unit="image", disable=None) as bar:
        make = draw_gate if chosen.gate else _draw_table
        return make(task, estimator, chosen, lambda scores: bar.update(len(scores) - bar.n))


def _complete(chosen: argparse.Namespace) -> None:
    """Fill in what was left out; ValueError where only a person can tell."""
    from ..standalone import demo, models

    path, suffix, what = (chosen.gate, ".safetensors", "gate") if chosen.gate else (chosen.out, ".json", "table")
    if path.suffix != suffix:
        raise ValueError(f"{quoted(path)} does not end in {suffix}; name the {what} so")
    if chosen.student == models.DEMO:
        fill(chosen, {"estimator": models.DEMO, "size": (demo.settings()["size"],) * 2, "teacher": models.DEMO})
    if chosen.estimator is None:
        raise ValueError("nothing scores the images; name an estimator's file with --estimator")
    fill(chosen, {"size": models.size_of(chosen.student)})
    if chosen.size is None:
        raise ValueError(f"a {what} is only valid for one size; give the one you draw in, such as --size 1024")
    if not chosen.gate and (chosen.judge or chosen.verdicts):
        raise ValueError("a judge or verdicts say which image of a pair is better; name the gate to fit with --gate")
    if chosen.gate and chosen.teacher is None:
        raise ValueError("a gate is fitted to what a teacher makes of the images; name its folder with --teacher")
    student, teacher = models.settings(chosen.student, "student"), models.settings(chosen.teacher, "teacher")
    fill(chosen, {"student_steps": student["steps"], "student_cfg": student["cfg"], "sigma": teacher["rollback"]})
    steps = teacher["steps" if chosen.strategy == "refine" else "steps_alone"]
    fill(chosen, {"teacher_steps": steps, "teacher_cfg": teacher["cfg"], **models.hardware(chosen.device)})
    models.check_guidance(chosen.student, chosen.student_cfg)


def _student(chosen: argparse.Namespace) -> "Student":
    from ..standalone import identity, models

    name = identity.model_name(chosen.student)
    width, height = chosen.size
    settings = (chosen.student_steps, chosen.student_cfg, width, height, chosen.negative)
    return identity.student_of(name, chosen.dtype, *settings, lora=models.is_lora(chosen.student))


def _draw_table(task: "Task", estimator: "Estimator", chosen: argparse.Namespace, tell: Tell) -> str:
    from ..gate.calibration import calibrate

    make = partial(_scorer, task, None if chosen.cluster else estimator, chosen)
    table = calibrate(chosen.out, task, finding(chosen, make, task.batch), tell)
    return f"Table {chosen.out} holds {len(table.scores)} scores; their median is {table.threshold(50):.3f}"


def _scorer(task: "Task", estimator: "Estimator | None", chosen: argparse.Namespace) -> "Find":
    """What scores the batches that begin with given prompts; loads the models, the estimator where there is none."""
    from ..standalone import models
    from ..standalone.calibrating import drawn_scores
    from ..standalone.pipeline import AdaptiveDiffusionPipeline
    from ..standalone.reading import cut_by

    student = models.load_student(chosen.student, chosen.device, chosen.dtype)
    pipeline = AdaptiveDiffusionPipeline(estimator or load_estimator(chosen), student, None)
    warn_of_cut(cut_by("the student", student, [*task.prompts, chosen.negative or ""]))
    warn_of_cut(pipeline.estimator.cut(task.prompts))
    width, height = chosen.size
    settings = {"num_inference_steps_student": chosen.student_steps, "student_guidance": chosen.student_cfg}
    settings |= {"negative_prompt": chosen.negative, "height": height, "width": width}
    return partial(drawn_scores, pipeline, task, settings)
