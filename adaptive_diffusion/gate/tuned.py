"""What a tuning chose, as a gate and as settings to keep."""

from dataclasses import replace
from typing import Any

from ..presets import Preset, Role
from ..prompts import described
from .fitting import fit
from .learned import LearnedGate
from .percentiles import PercentileTable
from .routing import KEPT_BETTER, LEARNED, TEACHER_ALONE
from .tuning import Tuned

UNKNOWN, REDRAW = "your own", 1.0
BY_SCORE = "schedule"


def gate_of(tuned: Tuned, name: str, table: str) -> LearnedGate | PercentileTable:
    """The gate of the setting that was chosen: learned where that was, else the percentiles of the student's scores.

    name, table: what the gate is called, and the table.
    """
    learned = tuned.chosen.point.name in (LEARNED, KEPT_BETTER)
    if learned and (gate := fitted(tuned.pairs(tuned.setting, name))):
        return gate
    task = tuned.task
    student = replace(task.student, steps=tuned.student_steps)
    made = PercentileTable.from_scores(table, tuned.scores, task.estimator, student, described(task.prompts, task.seed))
    return replace(made, created="")


def fitted(pairs: Any) -> LearnedGate | None:
    """The gate of these pairs; None where they do not carry one."""
    try:
        return fit(pairs)
    except ValueError:
        return None


def preset_of(tuned: Tuned) -> Preset:
    """The setting that was chosen, as a preset; what gives the most without a teacher or a student says so."""
    setting, task, point = tuned.setting, tuned.task, tuned.chosen.point
    student, teacher = task.student, task.teacher
    improving = point.number if point.name == TEACHER_ALONE else setting.teacher.teacher_steps
    rollbacks = [each.teacher.rollback for each in task.settings if each.teacher.rollback]
    rollback = setting.teacher.rollback or REDRAW
    return Preset(
        Role(
            student.name or UNKNOWN,
            tuned.student_steps,
            student.cfg or 1.0,
            student.sampler or "",
            student.scheduler or "",
        ),
        Role(
            teacher.name or UNKNOWN,
            improving,
            teacher.cfg or 1.0,
            teacher.sampler or "",
            teacher.scheduler or "",
        ),
        student.width or 0,
        rollback,
        teacher.rollback_scale or BY_SCORE,
        min(rollbacks, default=rollback),
        max(rollbacks, default=rollback),
        f"Tune, {len(task.prompts)} prompts. {tuned.chosen}"[:1000],
    )
