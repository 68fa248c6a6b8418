"""tune: which steps, rollback, k and gate of your own models give the most for a cost."""

import argparse
import io
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..numeric import ANY, STEPS, Range
from ..quoting import quoted
from .judging import load_estimator, load_judge
from .libraries import needing
from .options import add_estimator, add_models, add_prompts, among, fill
from .reading import prompts_of, warn_of_cut
from .sharing import add_cluster, check_workers, finders
from .tuned_command import tuned_command

if TYPE_CHECKING:
    from ..gate.calibration import Found
    from ..gate.tuning import Tuned, Tuning
    from ..gate.ways import Setting, Way
    from ..scale.finding import Find
    from ..standalone.tuning import Tuner

TABLE, GATE, PICTURE, JOURNAL = ".json", ".safetensors", ".png", ".journal"


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "tune",
        help="find the steps, rollback, k and gate that give the most for a cost",
        description="Try settings of a student and a teacher on prompts (successive halving: all on a few, the better "
        "half on more), print what each gives for its cost, and save the picture and the gate of the best. The same "
        "command goes on where it was stopped; other budgets and more settings draw only what is missing. Without "
        "another student the demo's is used.",
    )
    add_prompts(parser, required=True)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="NAME", help="of the files: NAME.journal, NAME.png, NAME.safetensors"
    )
    add_models(parser)
    _add_tried(parser)
    add_estimator(parser)
    parser.add_argument(
        "--judge", metavar="FILE", help="who says how good an image is: a weight file, demo or oracle (the estimator)"
    )
    add_cluster(parser)
    parser.set_defaults(run=run)


def _add_tried(parser: argparse.ArgumentParser) -> None:
    numbers: dict[str, Any] = {"nargs": "+", "metavar": "N"}
    parser.add_argument("--student-steps", type=among(STEPS), help="each tried (1 2 4)", **numbers)
    parser.add_argument("--teacher-steps", type=among(STEPS), help="each tried (6 12; the demo's own)", **numbers)
    parser.add_argument("--sigma", type=among(ANY), help="where refining starts, each tried (0.5 0.7)", **numbers)
    parser.add_argument(
        "--strategy", nargs="+", choices=("refine", "regenerate"), default=["refine"], help="each tried (%(default)s)"
    )
    parser.add_argument(
        "--budget",
        type=among(Range(low=0)),
        default=[],
        help="what an image may cost on average, in model evaluations",
        **numbers,
    )


def run(chosen: argparse.Namespace) -> str:
    check_workers(chosen)
    prompts = prompts_of(chosen)
    with needing("standalone"):
        from tqdm import tqdm

        from ..standalone import models
        from ..tuning_report import report
    settings = _complete(chosen)
    _check_new(chosen.out)
    models.check(chosen.student, chosen.teacher)
    models.check_prompts([*prompts, chosen.negative or ""], chosen.student, chosen.teacher, chosen.estimator)
    tuner = _tuner(chosen, prompts)
    tuner.check([setting.teacher for setting in settings])
    task = _task(chosen, tuner, settings)
    with tqdm(total=task.images, unit="image", disable=None) as bar:
        tuned = _tuned(chosen, tuner, task, lambda done: bar.update(done - bar.n))
    gate = _saved(tuned, chosen.out)
    picture = f"The picture is {_named(chosen.out, PICTURE)}. {tuned_command(chosen, tuned, gate)}"
    return "\n".join([report(tuned), "", picture])


def _tuned(chosen: argparse.Namespace, tuner: "Tuner", task: "Tuning", tell: Callable[[int], None]) -> "Tuned":
    """Tune here, or with Ray: a worker then draws all ways of the same prompts, as it keeps the student's images."""
    from ..gate.calibration import CHUNK
    from ..gate.tuning import tune

    journal = _named(chosen.out, JOURNAL)
    if not chosen.cluster:
        return tune(journal, task, tuner.draw, tell)
    with finders(chosen, partial(_finder, chosen, list(tuner.prompts))) as workers:
        own = max(CHUNK, chosen.batch)

        def draw(way: "Way", starts: Sequence[int]) -> "Iterator[Found]":
            yield from workers.found([(way, first) for first in starts], lambda i: starts[i] // own)

        return tune(journal, task, draw, tell, own * len(workers))


def _finder(chosen: argparse.Namespace, prompts: Sequence[str]) -> "Find":
    """What draws a way for the batch that begins with a prompt; loads the models."""
    tuner = _tuner(chosen, prompts)
    return lambda asked: tuner.draw(asked[0], [asked[1]])


def _named(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _complete(chosen: argparse.Namespace) -> "list[Setting]":
    """Fill in what was left out; the settings to try. ValueError where only a person can tell."""
    from ..gate.ways import settings_of
    from ..standalone import demo, models

    if chosen.student == models.DEMO:
        fill(chosen, {"estimator": models.DEMO, "size": (demo.settings()["size"],) * 2, "teacher": models.DEMO})
    if chosen.estimator is None:
        raise ValueError("nothing scores the images; name an estimator's file with --estimator")
    if chosen.teacher is None:
        raise ValueError("there is no teacher to try; name its folder with --teacher")
    fill(chosen, {"size": models.size_of(chosen.student)})
    if chosen.size is None:
        raise ValueError("a gate is only valid for one size; give the one you draw in, such as --size 1024")
    student, teacher = models.settings(chosen.student, "student"), models.settings(chosen.teacher, "teacher")
    fill(chosen, {"student_cfg": student["cfg"], "teacher_cfg": teacher["cfg"], **models.hardware(chosen.device)})
    demos = chosen.teacher == models.DEMO
    fill(chosen, {"student_steps": [1, 2, 4], "teacher_steps": [teacher["steps"]] if demos else [6, 12]})
    fill(chosen, {"sigma": [0.5, teacher["rollback"]]})
    return settings_of(chosen.student_steps, chosen.teacher_steps, chosen.sigma, chosen.strategy)


def _tuner(chosen: argparse.Namespace, prompts: Sequence[str]) -> "Tuner":
    from ..standalone import models
    from ..standalone.reading import cut_by
    from ..standalone.tuning import Sampling, Tuner

    estimator = load_estimator(chosen)
    student = models.load_student(chosen.student, chosen.device, chosen.dtype)
    teacher = models.load_teacher(chosen.teacher, chosen.device, chosen.dtype)
    warn_of_cut(cut_by("the student", student, [*prompts, chosen.negative or ""]))
    warn_of_cut(estimator.cut(prompts))
    how = Sampling(chosen.student_cfg, chosen.teacher_cfg, chosen.negative, chosen.size, chosen.rollback_scale)
    judge = load_judge(chosen.judge, chosen) if chosen.judge else None
    return Tuner(estimator, student, teacher, how, prompts, chosen.seed, chosen.batch, judge)


def _task(chosen: argparse.Namespace, tuner: "Tuner", settings: "list[Setting]") -> "Tuning":
    from dataclasses import replace

    from ..gate.judge import Judge
    from ..gate.tuning import Tuning
    from ..standalone import identity, models

    names = [identity.model_name(name) for name in (chosen.student, chosen.teacher)]
    width, height = chosen.size
    asked = (chosen.student_cfg, width, height, chosen.negative, models.is_lora(chosen.student))
    student = identity.student_of(names[0], chosen.dtype, 1, *asked)
    teacher = identity.teacher_of(
        names[1], chosen.dtype, 1, chosen.teacher_cfg, "refine", 1.0, chosen.rollback_scale, chosen.negative
    )
    return Tuning(
        Judge.of(tuner.estimator).settings,
        Judge.of(tuner.judge).settings if tuner.judge else {},
        tuner.estimator.feature_names,
        replace(student, steps=None),
        replace(teacher, strategy=None, steps=None, rollback=None),
        tuner.prompts,
        chosen.seed,
        chosen.batch,
        settings,
        chosen.budget,
    )


def _check_new(out: Path) -> None:
    """ValueError where files that no tuning of this name left would be overwritten."""
    if not out.name:
        raise ValueError(f"--out is {quoted(out)}, which is no name; give one for the files, such as mine")
    there = [_named(out, kind) for kind in (TABLE, GATE, PICTURE) if _named(out, kind).exists()]
    if there and not _named(out, JOURNAL).exists():
        raise ValueError(f"{quoted(there[0])} is there already, of something else; choose another name with --out")


def _saved(tuned: "Tuned", out: Path) -> Path:
    """The picture and the gate in their files; the latter's. What another choice left before goes."""
    from ..files import write_atomically
    from ..gate.percentiles import PercentileTable
    from ..gate.tuned import gate_of
    from ..tuning_report import chart

    data, gate = io.BytesIO(), gate_of(tuned, out.name, out.name)
    chart(tuned).draw().save(data, "PNG")
    write_atomically(_named(out, PICTURE), data.getvalue())
    kinds = [TABLE, GATE] if isinstance(gate, PercentileTable) else [GATE, TABLE]
    path = _named(out, kinds[0])
    gate.save(path)
    _named(out, kinds[1]).unlink(missing_ok=True)
    return path
