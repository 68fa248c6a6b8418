"""Threshold Gate following the user's own prompts: one step of the running table in the user's folder."""

from collections.abc import Sequence
from pathlib import Path

from comfy_execution.utils import get_executing_context

from ..adaptive_diffusion.gate.decision import QualityScores
from ..adaptive_diffusion.gate.digest import digest
from ..adaptive_diffusion.gate.percentiles import PercentileTable
from ..adaptive_diffusion.gate.running import RunningTable
from ..adaptive_diffusion.gate.student import Student, agreed, differences
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
    fresh = RunningTable.start(table, {"name": groups[0].estimator, "dtype": groups[0].dtype}, agreed(students))
    path = _path(fresh)
    values = [value for group in groups for value in group.values]
    threshold, running = _found(path, fresh).judge(values, _digests(groups), k)
    running.save(path)
    return threshold, running


def _path(fresh: RunningTable) -> Path:
    """The file of this running table, or the one in which an earlier version of the pack began it."""
    names = [fresh.name, *([fresh.former_name] if fresh.former_name else [])]
    paths = [running_tables() / f"{name}.json" for name in names]
    return next((path for path in paths if path.exists()), paths[0])


def _found(path: Path, fresh: RunningTable) -> RunningTable:
    if not path.exists():
        return fresh
    found = RunningTable.load(path)
    if told := differences(found.described, fresh.described):
        raise ValueError(
            f"running table '{path.stem}' has {', '.join(told)}; "
            f"give {path.name} its own name back, or delete it to begin again"
        )
    return found


def _digests(groups: Sequence[QualityScores]) -> list[str]:
    """One per image; scores alone do not tell images apart, so that each queued run of them counts."""
    run = get_executing_context()[:2]
    return [
        name
        for number, group in enumerate(groups)
        for name in group.digests or [digest([*run, number, row]) for row in range(len(group))]
    ]
