"""Decide which images the teacher should improve."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from comfy_api.latest import io

from ..adaptive_diffusion.decision import GateDecision, QualityScores, StudentInfo, decide
from ..adaptive_diffusion.percentiles import PercentileTable
from ..host.folders import THIS_RUN, table_choices, table_path
from ..host.lists import per_decision
from ..host.types import ALIASES, CATEGORY, DecisionLink, ScoresLink, StudentInfoLink, TableLink, speaking_for

TITLE = "Threshold Gate"


class ThresholdGate(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AdaptiveThresholdGate",
            display_name=TITLE,
            category=CATEGORY,
            description="Rejects the images whose score lies under the k-th percentile of the student's scores.",
            search_aliases=[*ALIASES, "threshold", "filter", "percentile"],
            is_input_list=True,
            has_intermediate_output=True,
            inputs=[
                io.MultiType.Input(
                    "scores",
                    types=[ScoresLink, io.Float],
                    tooltip="From Quality Score, or any list of numbers, one per image, higher is better.",
                ),
                io.Combo.Input(
                    "table",
                    options=table_choices(),
                    default=THIS_RUN,
                    tooltip="Which scores the percentile is taken of: those of this run, or a calibrated table.",
                ),
                io.Float.Input(
                    "k",
                    display_name="Improve worst % (k)",
                    default=50.0,
                    min=0.0,
                    max=100.0,
                    step=1.0,
                    tooltip="The share to improve. 0 keeps all and never loads the teacher, 100 improves all.",
                ),
                TableLink.Input("percentile_table", optional=True, tooltip="Used instead of the table chosen above."),
                StudentInfoLink.Input(
                    "student", optional=True, tooltip="Link it to be told when the table was made for another student."
                ),
                io.Float.Input(
                    "threshold_override",
                    optional=True,
                    advanced=True,
                    extra_dict={"forceInput": True},
                    tooltip="A score to use as the threshold, whatever the table and k say. A higher one rejects more.",
                ),
                io.String.Input(
                    "reject_indices",
                    default="",
                    optional=True,
                    advanced=True,
                    tooltip="Verdicts by hand: numbers of the images to reject, such as 0, 3.",
                ),
            ],
            outputs=[
                DecisionLink.Output(display_name="decision", is_output_list=True),
                io.Boolean.Output(display_name="any_rejected"),
                io.Float.Output(display_name="threshold"),
            ],
        )

    @classmethod
    def validate_inputs(cls, table):
        if all(name in table_choices() for name in table):
            return True
        return f"{TITLE}: there is no percentile table '{table[0]}'; choose one of {', '.join(table_choices())}"

    @classmethod
    def fingerprint_inputs(cls, table, **_linked):
        return table if table[0] == THIS_RUN else [*table, table_path(table[0]).stat().st_mtime_ns]

    @classmethod
    def execute(
        cls,
        scores,
        table,
        k,
        percentile_table=(None,),
        student=(None,),
        threshold_override=(None,),
        reject_indices=("",),
    ):
        with speaking_for(TITLE):
            groups = _groups(scores)
            if reject_indices[0].strip():
                decisions, warnings = _by_hand(groups, reject_indices[0]), []
            elif threshold_override[0] is not None:
                decisions, warnings = [decide(group, threshold_override[0], "override") for group in groups], []
            else:
                chosen = percentile_table[0] or _table(table[0], groups, k[0])
                chosen.check_estimator(groups[0].estimator, groups[0].dtype)
                warnings = _warnings(chosen, student[0])
                decisions = [decide(group, chosen.threshold(k[0]), chosen.name, k[0]) for group in groups]
            decisions = _with_students(decisions, student)
        shown = _payload(decisions, warnings)
        any_rejected = any(decision.any_rejected for decision in decisions)
        return io.NodeOutput(decisions, any_rejected, decisions[0].threshold, ui={"adaptive_gate": [shown]})


def _groups(scores: Sequence[Any]) -> list[QualityScores]:
    if all(isinstance(item, QualityScores) for item in scores):
        return list(scores)
    if all(isinstance(item, (int, float)) for item in scores):
        return [QualityScores(tuple(float(item) for item in scores))]
    raise ValueError("the scores are neither from Quality Score nor a list of numbers; link one of the two")


def _table(name: str, groups: Sequence[QualityScores], k: float) -> PercentileTable:
    if name != THIS_RUN:
        return PercentileTable.load(table_path(name))
    values = [value for group in groups for value in group.values]
    if len(values) == 1 and 0 < k < 100:
        raise ValueError(f"'{THIS_RUN}' has one score alone, which has no percentiles; choose a calibrated table")
    return PercentileTable.from_scores(THIS_RUN, values, {"name": groups[0].estimator, "dtype": groups[0].dtype})


def _warnings(table: PercentileTable, student: StudentInfo | None) -> list[str]:
    differences = table.differences(student) if student else []
    return [f"table '{table.name}' was made with another student: {', '.join(differences)}"] if differences else []


def _by_hand(groups: Sequence[QualityScores], indices: str) -> list[GateDecision]:
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


def _with_students(decisions: list[GateDecision], students: Sequence[StudentInfo | None]) -> list[GateDecision]:
    infos = per_decision(students, decisions, "student")
    return [replace(decision, student=info) for decision, info in zip(decisions, infos, strict=True)]


def _payload(decisions: Sequence[GateDecision], warnings: list[str]) -> dict[str, Any]:
    """What a headless client reads from /history: see README, "Verdicts through the API"."""
    first = decisions[0]
    return {
        "estimator": first.scores.estimator,
        "table": first.table,
        "k": first.k,
        "threshold": first.threshold if math.isfinite(first.threshold) else None,
        "scores": [list(decision.scores.values) for decision in decisions],
        "rejected": [list(decision.rejected) for decision in decisions],
        "prompts": [list(decision.scores.prompts) for decision in decisions],
        "warnings": warnings,
    }
