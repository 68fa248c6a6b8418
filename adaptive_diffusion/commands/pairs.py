"""Pairs of a student's and a teacher's image, and the gate that is fitted to them."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..quoting import quoted
from .judging import load_estimator, load_judge
from .options import pipeline_settings
from .reading import warn_of_cut
from .sharing import finding

if TYPE_CHECKING:
    from ..estimators import Estimator
    from ..gate.calibration import Task
    from ..gate.pairing import PairTask
    from ..gate.pairs import Pairs
    from ..scale.finding import Find
    from ..standalone.evaluation import Judge

PAIRS = ".pairs.safetensors"


def add_judges(parser: argparse.ArgumentParser) -> None:
    """Who says which image of a pair is better, where it is not the estimator."""
    judges = parser.add_mutually_exclusive_group()
    judges.add_argument(
        "--judge",
        metavar="FILE",
        help="a better estimator than the gate's, which says which image of each pair is better: a weight file, demo, "
        "or oracle (the exact grader of the demo scenes)",
    )
    judges.add_argument(
        "--verdicts",
        type=Path,
        metavar="TABLE",
        help="people's verdicts on the pairs: a table with the columns index (of the prompt, from 0) and verdict "
        "(student, teacher or equal)",
    )


def draw_gate(
    task: "Task", estimator: "Estimator", chosen: argparse.Namespace, tell: Callable[[Mapping[int, float]], object]
) -> str:
    """Draw the pairs that are missing, fit the gate and save it."""
    from ..gate.calibration import calibrate
    from ..gate.fitted import summary
    from ..gate.fitting import fit
    from ..gate.people import read_verdicts

    judge = load_judge(chosen.judge, chosen) if chosen.judge else None
    verdicts = read_verdicts(chosen.verdicts, len(task.prompts)) if chosen.verdicts else None
    drawn = _pair_task(task, estimator, judge, chosen)
    path = chosen.gate.with_suffix(PAIRS)
    _check_own(chosen.gate, path)
    loaded: dict[str, Any] = {} if chosen.cluster else {"estimator": estimator, "judge": judge}
    pairs = calibrate(path, drawn, finding(chosen, partial(_pairer, drawn, chosen, **loaded), task.batch), tell)
    gate = fit(pairs if verdicts is None else _with_verdicts(pairs, verdicts), chosen.gate.stem)
    gate.save(chosen.gate)
    return f"Gate {chosen.gate}: {summary(gate)}"


def _check_own(gate: Path, pairs: Path) -> None:
    """ValueError where something else than the gate of these pairs would be overwritten."""
    from ..gate.calibration import JOURNAL

    if gate.name.endswith(PAIRS):
        raise ValueError(f"{quoted(gate)} is called as pairs are; choose another name for the gate")
    if gate.exists() and not (pairs.exists() or pairs.with_suffix(JOURNAL).exists()):
        raise ValueError(f"{quoted(gate)} is there already, and not its pairs; choose another name")


def _pair_task(task: "Task", estimator: "Estimator", judge: "Judge | None", chosen: argparse.Namespace) -> "PairTask":
    from ..gate.judge import Judge
    from ..gate.pairing import PairTask
    from ..standalone import identity

    name = identity.model_name(chosen.teacher)
    entry = (chosen.strategy, chosen.sigma, chosen.rollback_scale, chosen.negative)
    return PairTask(
        *(task.estimator, task.student, task.prompts, task.seed, task.batch),
        teacher=identity.teacher_of(name, chosen.dtype, chosen.teacher_steps, chosen.teacher_cfg, *entry),
        judge=Judge.of(judge).settings if judge else {},
        feature_names=estimator.feature_names,
    )


def _pairer(
    task: "PairTask", chosen: argparse.Namespace, estimator: "Estimator | None" = None, judge: "Judge | None" = None
) -> "Find":
    """What draws and scores the pairs of the batches that begin with given prompts; loads what is not given."""
    from ..standalone import models
    from ..standalone.pairing import draw_pairs
    from ..standalone.pipeline import AdaptiveDiffusionPipeline
    from ..standalone.reading import cut_by

    student = models.load_student(chosen.student, chosen.device, chosen.dtype)
    teacher = partial(models.load_teacher, chosen.teacher, chosen.device, chosen.dtype)
    if task.judge and judge is None:
        judge = load_judge(chosen.judge, chosen)
    pipeline = AdaptiveDiffusionPipeline(estimator or load_estimator(chosen), student, teacher)
    warn_of_cut(cut_by("the student", student, [*task.prompts, chosen.negative or ""]))
    warn_of_cut(pipeline.estimator.cut(task.prompts))
    return partial(draw_pairs, pipeline, task, pipeline_settings(chosen), judge)


def _with_verdicts(pairs: "Pairs", verdicts: Any) -> "Pairs":
    """The pairs with what people say of them, by the number of the prompt."""
    from ..gate.about import PEOPLE

    if sorted(pairs.numbers.tolist()) != list(range(len(verdicts))):
        raise ValueError(
            f"pairs {quoted(pairs.name)} are not those of prompts 0 to {len(verdicts) - 1}, by which verdicts are "
            "told; draw them again"
        )
    return replace(pairs, judged=verdicts[pairs.numbers], about=replace(pairs.about, judge=PEOPLE))
