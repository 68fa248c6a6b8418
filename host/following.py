"""Threshold Gate following the user's own prompts: one step of the running table in the user's folder."""

from collections.abc import Sequence

from comfy_execution.utils import get_executing_context

from ..adaptive_diffusion.digest import digest
from ..adaptive_diffusion.gate.decision import QualityScores
from ..adaptive_diffusion.gate.percentiles import PercentileTable
from ..adaptive_diffusion.gate.running import RunningTable
from ..adaptive_diffusion.gate.student import Student, agreed
from .files.tables import THIS_RUN, running_tables


def follow(
    groups: Sequence[QualityScores], table: PercentileTable, k: float, students: Sequence[Student | None]
) -> tuple[float, RunningTable]:
    """The running threshold for all images of a queued run, and the running table once they are counted and saved."""
    if table.name == THIS_RUN:
        raise ValueError(
            f"to follow your prompts it needs a calibrated table to start from, but the table is '{THIS_RUN}'; "
            "choose another, or turn following off"
        )
    fresh = RunningTable.start(table, groups[0].judge.settings, agreed(students))
    values = [value for group in groups for value in group.values]
    return fresh.judge_in(running_tables(), values, _digests(groups), k)


def _digests(groups: Sequence[QualityScores]) -> list[str]:
    """One per image; scores alone do not tell images apart, so that each queued run of them counts."""
    run = get_executing_context()[:2]
    return [
        name
        for number, group in enumerate(groups)
        for name in group.digests or [digest([*run, number, row]) for row in range(len(group))]
    ]
