"""Threshold Gate following the user's own prompts: one step of the running table in the user's folder."""

from collections.abc import Sequence

from comfy_execution.utils import get_executing_context

from ..adaptive_diffusion.digest import digest
from ..adaptive_diffusion.gate.decision import GateDecision, QualityScores
from ..adaptive_diffusion.gate.gauge import Gauge, table_of
from ..adaptive_diffusion.gate.percentiles import THIS_RUN
from ..adaptive_diffusion.gate.running import RunningTable
from ..adaptive_diffusion.gate.student import agreed
from .files.tables import running_tables


def follow(judged: Sequence[GateDecision], gauge: Gauge, name: str, k: float) -> tuple[float, RunningTable]:
    """The running threshold for all images of a queued run, and the running table once they are counted and saved.

    judged: every batch, whatever its verdicts. gauge: what it starts from, called `name`. Risks are tracked turned
    round, so that lower is worse, as with scores.
    """
    if name == THIS_RUN:
        raise ValueError(
            f"to follow your prompts it needs a calibrated table to start from, but the table is '{THIS_RUN}'; "
            "choose another, or turn following off"
        )
    students = [decision.student for decision in judged]
    groups = [decision.scores for decision in judged]
    fresh = RunningTable.start(table_of(gauge, name), groups[0].judge.settings, agreed(students))
    values = [merit for decision in judged for merit in decision.merits[0]]
    threshold, running = fresh.judge_in(running_tables(), values, _digests(groups), k)
    return (-threshold if judged[0].risks else threshold), running


def _digests(groups: Sequence[QualityScores]) -> list[str]:
    """One per image; scores alone do not tell images apart, so that each queued run of them counts."""
    run = get_executing_context()[:2]
    return [
        name
        for number, group in enumerate(groups)
        for name in group.digests or [digest([*run, number, row]) for row in range(len(group))]
    ]
