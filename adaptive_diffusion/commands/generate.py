"""generate: the adaptive pipeline over one prompt or many, into a folder."""

import argparse
import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..numeric import IMAGES, PERCENT, SAFE
from ..prompts import described, prompt_seeds, repeated
from ..quoting import quoted
from .judging import load_estimator
from .libraries import needing
from .options import add_estimator, add_prompts, add_student, add_teacher, among, fill, pipeline_settings
from .reading import prompts_of, warn_of_cut
from .sharing import add_sharing, check_sharing, draw_shards

if TYPE_CHECKING:
    from ..gate.gauge import Gauge
    from ..gate.promise import Promise
    from ..scale.halves import StudentHalf, TeacherHalf
    from ..scale.models import WithPipeline
    from ..scale.sharded import ShardedRun
    from ..scale.split import Split
    from ..standalone.drawing import Pipeline
    from ..standalone.pipeline import AdaptiveDiffusionPipeline
    from ..standalone.runs import Run

REMEMBERED = (
    *("student", "student_steps", "student_cfg", "teacher", "teacher_steps", "teacher_cfg", "strategy", "sigma"),
    *("rollback_scale", "k", "table", "estimator", "negative", "size", "batch", "dtype", "gate", "keep_safe", "hold"),
)


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "generate",
        help="draw prompts into a folder",
        description="Draw one prompt or a file of them: images, and a line for each in images.jsonl. The same command "
        "goes on where it was stopped, or with prompts that were added at the end. Without other models the demo's are "
        "used.",
    )
    parser.add_argument("prompt", nargs="?", help="what to draw, where there is no file of prompts")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="for the images")
    add_prompts(parser, required=False)
    add_sharing(parser)
    parser.add_argument(
        "--split",
        action="store_true",
        help="with --cluster: each worker holds the student or the teacher, for cards that cannot hold both",
    )
    parser.add_argument("--pictures", type=among(IMAGES), default=1, metavar="N", help="of each prompt (%(default)s)")
    add_student(parser)
    add_teacher(parser)
    add_estimator(parser)
    _add_gate(parser)
    parser.set_defaults(run=run)


def _add_gate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--table", help="percentile table: a bundled one's name, or a file (with the demo: Demo)")
    parser.add_argument(
        "--gate",
        metavar="FILE",
        help="learned gate, in the place of a table: a bundled one's name, or a file (the demo's: 'Demo gate')",
    )
    parser.add_argument(
        "--hold",
        metavar="FOLDER",
        help="load no teacher: put the rejected images into this folder, for `improve` or the node Take Held",
    )
    parser.add_argument("--k", type=among(PERCENT), default=50.0, help="percent of the images to improve (%(default)g)")
    parser.add_argument(
        "--keep-safe",
        type=among(SAFE),
        metavar="PERCENT",
        help="with a learned gate, in the place of k: of the images that are kept, at most this share would have been "
        "improved, 95 %% sure, for prompts like those it was fitted to (0 for k)",
    )


def run(chosen: argparse.Namespace) -> str:
    prompts = _prompts(chosen)
    with needing("standalone"):
        from ..standalone import models, runs
    _complete(chosen)
    models.check(chosen.student, chosen.teacher)
    models.check_prompts([*prompts, chosen.negative or ""], chosen.student, chosen.teacher, chosen.estimator)
    gauge = _gauge(chosen)
    promise = _promise(chosen, gauge)
    about, promised = _about(chosen, prompts, gauge, promise), [str(promise)] if promise else []
    if chosen.shard or chosen.cluster:
        make = partial(_drawer, chosen, [] if chosen.cluster else prompts, gauge)
        told = draw_shards(chosen, about, prompts, make, partial(_split, chosen, gauge))
        return "\n".join([told, *promised])
    with runs.opened(Path(chosen.out), about, prompts, chosen.unit) as kept:
        if kept.missing:
            _draw(chosen, kept, prompts, gauge)
        return "\n".join([_summary(kept, chosen.hold), *promised])


def _prompts(chosen: argparse.Namespace) -> list[str]:
    if (chosen.prompt is None) == (chosen.prompts is None):
        raise ValueError("give either a prompt or a file of them with --prompts")
    if chosen.prompt is not None:
        return repeated([chosen.prompt], chosen.pictures)
    any_number = bool(chosen.shard or chosen.cluster)
    return repeated(prompts_of(chosen, any_number), chosen.pictures, any_number)


def _gauge(chosen: argparse.Namespace) -> "Gauge | None":
    """What the threshold is taken of."""
    from ..standalone import models

    if chosen.gate:
        return models.load_gate(chosen.gate)
    return models.load_table(chosen.table) if chosen.table else None


def _promise(chosen: argparse.Namespace, gauge: "Gauge | None") -> "Promise | None":
    """What sets the threshold in the place of k, where that is asked for."""
    from ..gate.gauge import safe

    return safe(gauge, chosen.keep_safe) if chosen.keep_safe else None


def _complete(chosen: argparse.Namespace) -> None:
    """Fill in what was left out; ValueError where only a person can tell."""
    from ..standalone import models
    from ..standalone.settings import of_rollback

    if chosen.student == models.DEMO:
        fill(chosen, {"estimator": models.DEMO} | ({} if chosen.hold else {"teacher": models.DEMO}))
        fill(chosen, {} if chosen.gate else {"table": "Demo"})
    check_sharing(chosen)
    if chosen.split and (not chosen.cluster or chosen.k == 0 and not chosen.keep_safe):
        raise ValueError(
            "--split gives student and teacher to different workers of a --cluster; give both, and a --k above 0"
        )
    if chosen.table and chosen.gate:
        raise ValueError(
            f"both a table ({quoted(chosen.table)}) and a gate ({quoted(chosen.gate)}) are to decide; name one of them"
        )
    if chosen.estimator is None:
        raise ValueError("nothing scores the images; name an estimator's file with --estimator")
    if chosen.hold and (chosen.teacher or chosen.shard or chosen.cluster):
        raise ValueError("--hold keeps images for a teacher in one process; leave --teacher, --shard and --cluster out")
    chosen.keep_safe = chosen.keep_safe or None  # as in runs that were begun before there were promises
    if chosen.teacher is None and chosen.hold is None and (chosen.k != 0 or chosen.keep_safe):
        asked = f"keep_safe is {chosen.keep_safe:g}" if chosen.keep_safe else f"k is {chosen.k:g}"
        raise ValueError(f"{asked}, but there is no teacher; name its folder with --teacher, or choose --k 0")
    if chosen.table is None and chosen.gate is None and chosen.k not in (0, 100):
        raise ValueError(
            "the threshold must be known before the last image is drawn; name a percentile table with --table "
            "(calibrate makes one) or a learned gate with --gate, or choose --k 0 or --k 100"
        )
    student, teacher = models.settings(chosen.student, "student"), models.settings(chosen.teacher, "teacher")
    fill(chosen, {"student_steps": student["steps"], "student_cfg": student["cfg"], "sigma": teacher["rollback"]})
    steps = teacher["steps" if chosen.strategy == "refine" else "steps_alone"]
    fill(chosen, {"teacher_steps": steps, "teacher_cfg": teacher["cfg"]})
    fill(chosen, models.hardware(chosen.device))
    models.check_guidance(chosen.student, chosen.student_cfg)
    of_rollback(chosen.strategy, chosen.teacher_steps, chosen.sigma, chosen.rollback_scale)


def _about(
    chosen: argparse.Namespace, prompts: list[str], gauge: "Gauge | None", promise: "Promise | None"
) -> dict[str, Any]:
    """What must be the same for a run to go on where another stopped."""
    threshold = promise.threshold if promise else gauge.threshold(chosen.k) if gauge else math.inf
    remembered = {name: getattr(chosen, name) for name in REMEMBERED}
    finite = threshold if math.isfinite(threshold) else None
    return {"prompts": described(prompts, chosen.seed), **remembered, "threshold": finite}


def _draw(chosen: argparse.Namespace, kept: "Run", prompts: list[str], gauge: "Gauge | None") -> None:
    from tqdm import tqdm

    from ..holding.folder import HeldFolder
    from ..standalone.generation import generate
    from ..standalone.holding import Holding

    pipeline = _checked_pipeline(chosen, prompts, gauge)
    seeds, settings = prompt_seeds(chosen.seed, kept.total), {"table": gauge, **_settings(chosen)}
    if chosen.hold:
        settings["hold"] = Holding(HeldFolder(Path(chosen.hold)), pipeline.student)
    with tqdm(total=kept.total, initial=kept.total - kept.missing, unit="image", disable=None) as bar:
        for records in generate(pipeline, kept, prompts, seeds, settings):
            bar.update(len(records))


def _drawer(chosen: argparse.Namespace, prompts: list[str], gauge: "Gauge | None") -> "WithPipeline":
    """What draws units. prompts: those of which it tells at once which are cut; those of a unit are told later."""
    from ..scale.models import WithPipeline

    pipeline = _checked_pipeline(chosen, prompts, gauge)
    return WithPipeline(pipeline, chosen.seed, {"table": gauge, **_settings(chosen)})


def _split(chosen: argparse.Namespace, gauge: "Gauge | None", run: "ShardedRun", workers: int) -> "Split":
    """The driver of workers that each hold one of the models."""
    from ..gate.gauge import sureness
    from ..scale.halves import Halves
    from ..scale.split import Split

    sure = sureness(gauge, chosen.k) if gauge and not chosen.keep_safe else None
    low, high = sure.rejected if sure else (0.0, 100.0)
    halves = Halves(partial(_student_half, chosen, gauge), partial(_teacher_half, chosen))
    return Split(run, halves, workers, (low / 100, high / 100))


def _student_half(chosen: argparse.Namespace, gauge: "Gauge | None") -> "StudentHalf":
    from ..scale.halves import StudentHalf

    pipeline = _checked_pipeline(chosen, [], gauge)
    settings = {"table": gauge, **_settings(chosen)}
    return StudentHalf(pipeline.estimator, pipeline.student, chosen.seed, settings)


def _teacher_half(chosen: argparse.Namespace) -> "TeacherHalf":
    """The teacher on its device, with the student's VAE in the processor's memory to compare its own with."""
    from ..scale.halves import TeacherHalf
    from ..standalone import models

    vae = getattr(models.load_student(chosen.student, "cpu", chosen.dtype), "vae", None)
    return TeacherHalf(vae, _teacher(chosen, []))


def _checked_pipeline(
    chosen: argparse.Namespace, prompts: list[str], gauge: "Gauge | None"
) -> "AdaptiveDiffusionPipeline":
    """What draws, once it is known that table or gate is its estimator's; it is told which prompts are cut."""
    from ..gate.gauge import check_estimator

    pipeline = _pipeline(chosen, [*prompts, chosen.negative or ""])
    if gauge:
        check_estimator(gauge, pipeline.estimator)
    warn_of_cut(pipeline.estimator.cut(prompts))
    return pipeline


def _pipeline(chosen: argparse.Namespace, texts: list[str]) -> "AdaptiveDiffusionPipeline":
    """texts: the prompts and the negative one; those that a model does not read to the end are told as it is loaded."""
    from ..standalone import models
    from ..standalone.noise import check_reproducible
    from ..standalone.pipeline import AdaptiveDiffusionPipeline
    from ..standalone.reading import cut_by, read_whole

    estimator = load_estimator(chosen)
    student = models.load_student(chosen.student, chosen.device, chosen.dtype)
    check_reproducible(student, "student")
    warn_of_cut(cut_by("the student", student, texts))
    teacher = partial(_teacher, chosen, read_whole(student, texts)) if chosen.teacher else None
    return AdaptiveDiffusionPipeline(estimator, student, teacher)


def _teacher(chosen: argparse.Namespace, texts: list[str]) -> "Pipeline":
    """texts: those that the student reads whole; what it cuts was told."""
    from ..standalone import models
    from ..standalone.noise import check_reproducible
    from ..standalone.reading import cut_by

    teacher = models.load_teacher(chosen.teacher, chosen.device, chosen.dtype)
    check_reproducible(teacher, "teacher")
    warn_of_cut(cut_by("the teacher", teacher, texts))
    return teacher


def _settings(chosen: argparse.Namespace) -> dict[str, Any]:
    """What the pipeline is called with for every unit."""
    asked = {"k": chosen.k, "keep_safe": chosen.keep_safe or 0}
    return {**asked, "batch_size": chosen.batch, **pipeline_settings(chosen)}


def _summary(kept: "Run", hold: str | None) -> str:
    from ..gate.outcome import ACCEPTED, FAILED

    verdicts = [record["verdict"] for record in kept.records]
    count, improved, failed = kept.total, len(verdicts) - verdicts.count(ACCEPTED), verdicts.count(FAILED)
    told = f" ({FAILED} for {failed}, whose student's images are kept)" if failed else ""
    taken = [spelled.format(sum(values) / count) for spelled, values in _costs(kept) if None not in values]
    became = f"wait for a teacher in {quoted(hold)}" if hold else f"went to the teacher{told}"
    return (
        f"{count} images are in {kept.folder}: {improved} {became}; "
        f"{', '.join(taken[:-1])} and {taken[-1]} an image on average"
    )


def _costs(kept: "Run") -> list[tuple[str, list[Any]]]:
    """What an image takes, and how a mean of it is spelled; records of before evaluations were counted have none."""
    spelled = {"steps": "{:.2f} steps", "evaluations": "{:.2f} network evaluations", "seconds": "{:.3f} s"}
    return [(form, [record.get(key) for record in kept.records]) for key, form in spelled.items()]
