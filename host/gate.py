"""What Threshold Gate finds: verdicts by a table or by hand, and how they are told."""

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple

from ..adaptive_diffusion.gate.confidence import Confidence, confidence
from ..adaptive_diffusion.gate.decision import GateDecision, QualityScores, decide
from ..adaptive_diffusion.gate.percentiles import PercentileTable
from ..adaptive_diffusion.gate.running import RunningTable
from ..adaptive_diffusion.gate.student import Student
from ..adaptive_diffusion.gate.verdicts import Verdicts
from .files.tables import THIS_RUN, table_path
from .following import follow
from .plain import numbers


class Verdict(NamedTuple):
    """A decision for each batch, and what is to be said of the table they rest on."""

    decisions: list[GateDecision]
    warnings: Sequence[str] = ()
    sure: Confidence | None = None
    running: RunningTable | None = None


def groups_of(scores: Sequence[Any]) -> list[QualityScores]:
    if all(isinstance(item, QualityScores) for item in scores):
        return list(scores)
    if (values := numbers(scores)) is not None:
        return [QualityScores(tuple(map(float, values)))]
    raise ValueError("the scores are neither from Quality Score nor a list of numbers; link one of the two")


def chosen_table(name: str, groups: Sequence[QualityScores], k: float) -> PercentileTable:
    if name != THIS_RUN:
        return PercentileTable.load(table_path(name))
    values = [value for group in groups for value in group.values]
    if len(values) == 1 and 0 < k < 100:
        raise ValueError(f"'{THIS_RUN}' has one score alone, which has no percentiles; choose a calibrated table")
    return PercentileTable.from_scores(THIS_RUN, values, {"name": groups[0].estimator, "dtype": groups[0].dtype})


def by_table(groups: Sequence[QualityScores], table: PercentileTable, k: float, student: Student | None) -> Verdict:
    table.check_estimator(groups[0].estimator, groups[0].dtype)
    calibrated = table.scores and table.name != THIS_RUN and 0 < k < 100
    return Verdict(
        [decide(group, table.threshold(k), table.name, k) for group in groups],
        warnings_of(table, student),
        confidence(table.scores, k) if calibrated else None,
    )


def by_running_table(
    groups: Sequence[QualityScores], table: PercentileTable, k: float, students: Sequence[Student | None]
) -> Verdict:
    """By the threshold that started from `table` and follows the scores; the table is checked as ever."""
    fixed = by_table(groups, table, k, students[0])
    threshold, running = follow(groups, table, k, students)
    decisions = [decide(group, threshold, f"{table.name} (following)", k) for group in groups]
    return Verdict(decisions, fixed.warnings, running=running)


def warnings_of(table: PercentileTable, student: Student | None) -> list[str]:
    """A sentence where the table was made with another student."""
    differences = table.differences(student) if student else []
    return [f"table '{table.name}' was made with another student: {', '.join(differences)}"] if differences else []


def by_hand(groups: Sequence[QualityScores], indices: str) -> list[GateDecision]:
    """Verdicts from image numbers that count through all batches."""
    if not re.fullmatch(r"\s*\d+([,\s]+\d+)*\s*", indices):
        raise ValueError(f"reject_indices is '{indices}'; write image numbers such as 0, 3")
    chosen = {int(number) for number in re.findall(r"\d+", indices)}
    total = sum(len(group) for group in groups)
    if max(chosen) >= total:
        raise ValueError(f"reject_indices names image {max(chosen)}, but there are {total}; the first one is 0")
    decisions, start = [], 0
    for group in groups:
        rejected = tuple(i for i in range(len(group)) if start + i in chosen)
        decisions.append(GateDecision(group, math.nan, rejected, "by hand"))
        start += len(group)
    return decisions


def with_students(decisions: list[GateDecision], students: Sequence[Student | None]) -> list[GateDecision]:
    infos = Verdicts(tuple(decisions)).per_batch(students, "student")
    return [replace(decision, student=info) for decision, info in zip(decisions, infos, strict=True)]


def summary(verdict: Verdict) -> str:
    rejected = sum(len(decision.rejected) for decision in verdict.decisions)
    images = sum(map(len, verdict.decisions))
    threshold = verdict.decisions[0].threshold
    under = f" under {threshold:.3f}" if math.isfinite(threshold) else ""
    sure = f", {verdict.sure}" if verdict.sure else ""
    follows = [str(verdict.running)] if verdict.running else []
    return "\n".join([f"{rejected} of {images} rejected{under}{sure}", *follows, *verdict.warnings])


def payload(verdict: Verdict) -> dict[str, Any]:
    """What a headless client reads from /history: see README, "Verdicts through the API"."""
    first = verdict.decisions[0]
    return {
        "estimator": first.scores.estimator,
        "table": first.table,
        "k": first.k,
        "threshold": _told(first.threshold),
        "confidence": _told_sure(verdict.sure),
        "following": verdict.running and verdict.running.told,
        "scores": [list(decision.scores.values) for decision in verdict.decisions],
        "rejected": [list(decision.rejected) for decision in verdict.decisions],
        "prompts": [list(decision.scores.prompts) for decision in verdict.decisions],
        "warnings": list(verdict.warnings),
    }


def _told(score: float) -> float | None:
    """JSON has no infinite numbers."""
    return score if math.isfinite(score) else None


def _told_sure(sure: Confidence | None) -> dict[str, Any] | None:
    return sure and {**asdict(sure), "threshold": [_told(end) for end in sure.threshold]}
