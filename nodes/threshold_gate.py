"""Decide which images the teacher should improve."""

from comfy_api.latest import io

from ..adaptive_diffusion.gate.decision import decide
from ..host.files.outlines import outlines
from ..host.files.tables import THIS_RUN, table_choices, table_path
from ..host.gate import (
    Verdict,
    by_hand,
    by_running_table,
    by_table,
    chosen_table,
    groups_of,
    payload,
    summary,
    with_students,
)
from ..host.node import ALIASES, CATEGORY, DecisionLink, ScoresLink, StudentInfoLink, TableLink, speaking_for
from ..host.shown import show_text

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
            hidden=[io.Hidden.unique_id],
            inputs=[
                *_judging_inputs(),
                *_advanced_inputs(),
            ],
            outputs=[
                DecisionLink.Output(
                    display_name="decision", is_output_list=True, tooltip="Who is kept and who goes to the teacher."
                ),
                io.Boolean.Output(display_name="any_rejected", tooltip="Whether the teacher is needed at all."),
                io.Float.Output(display_name="threshold", tooltip="The score under which images are rejected."),
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
        follow=(False,),
    ):
        with speaking_for(TITLE):
            groups = groups_of(scores)
            if reject_indices[0].strip():
                verdict = Verdict(by_hand(groups, reject_indices[0]))
            elif threshold_override[0] is not None:
                verdict = Verdict([decide(group, threshold_override[0], "override") for group in groups])
            else:
                chosen = percentile_table[0] or chosen_table(table[0], groups, k[0])
                if follow[0]:
                    verdict = by_running_table(groups, chosen, k[0], student)
                else:
                    verdict = by_table(groups, chosen, k[0], student[0])
            decisions = with_students(verdict.decisions, student)
        show_text(cls.hidden, summary(verdict))
        any_rejected = any(decision.any_rejected for decision in decisions)
        return io.NodeOutput(decisions, any_rejected, decisions[0].threshold, ui={"adaptive_gate": [payload(verdict)]})


def _judging_inputs() -> list[io.Input]:
    return [
        io.MultiType.Input(
            "scores",
            types=[ScoresLink, io.Float],
            tooltip="From Quality Score, or any list of numbers, one per image, higher is better.",
        ),
        io.Combo.Input(
            "table",
            options=table_choices(),
            default=THIS_RUN,
            extra_dict={"outlines": outlines()},
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
    ]


def _advanced_inputs() -> list[io.Input]:
    return [
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
        io.Boolean.Input(
            "follow",
            display_name="Follow my prompts",
            default=False,
            optional=True,
            advanced=True,
            tooltip="On: the table is only the start; the scores of your own images then move the threshold, so that "
            "the share improved stays at k whatever you draw. What was seen is kept in a file in the "
            "user folder; the help page says where.",
        ),
    ]
