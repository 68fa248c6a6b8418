"""What a tuning chose, as a gate and as settings to keep."""

from dataclasses import replace
from typing import Any

from ..presets import Preset, Role
from .fitting import fit
from .learned import LearnedGate
from .percentiles import PercentileTable
from .routing import KEPT_BETTER, LEARNED
from .tuning import Tuned

UNKNOWN, REDRAW = "your own", 1.0
BY_SCORE = "schedule"


def gate_of(tuned: Tuned, name: str, table: str) -> LearnedGate | PercentileTable:
    """The gate of the setting that was chosen: learned where that was, else the percentiles of the student's scores.

    name, table: what the gate is called, and the table.
    """
    pairs = tuned.pairs(tuned.setting, name)
    learned = tuned.gated and tuned.gated.name in (LEARNED, KEPT_BETTER)
    if learned and (gate := fitted(pairs)):
        return gate
    about = pairs.about
    found = (pairs.scores.tolist(), about.estimator.settings, about.student, about.prompts)
    return replace(PercentileTable.from_scores(table, *found), created="")


def fitted(pairs: Any) -> LearnedGate | None:
    """The gate of these pairs; None where they do not carry one."""
    try:
        return fit(pairs)
    except ValueError:
        return None


def preset_of(tuned: Tuned) -> Preset:
    """The setting that was chosen, as a preset; what gives the most without a teacher or a student says so."""
    setting, task = tuned.setting, tuned.task
    student, teacher = task.student, task.teacher
    steps = setting.student.student_steps if setting.student else 1
    rollbacks = [each.teacher.rollback for each in task.settings if each.teacher.rollback]
    rollback = setting.teacher.rollback or REDRAW
    return Preset(
        Role(student.name or UNKNOWN, steps, student.cfg or 1.0, student.sampler or "", student.scheduler or ""),
        Role(
            teacher.name or UNKNOWN,
            setting.teacher.teacher_steps,
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
