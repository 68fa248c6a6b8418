"""Decide which images the teacher should improve."""

from comfy_api.latest import io

from ..adaptive_diffusion.gate.cost import SAMPLERS
from ..adaptive_diffusion.gate.percentiles import THIS_RUN
from ..adaptive_diffusion.numeric import SAFE
from ..host.clock import running_clock
from ..host.files.outlines import outlines
from ..host.files.tables import check_gauge, gauge_states
from ..host.gate import judge, payload, summary, threshold_of
from ..host.node import AdaptiveNode, DecisionLink, ScoresLink, StudentInfoLink, TableLink, node_id
from ..host.savings import since_start
from ..host.shown import show_text

RULES = ("reject_indices", "threshold_override", "percentile_table", "table", "k")


class ThresholdGate(AdaptiveNode):
    TITLE = "Threshold Gate"
    LISTS = ("scores", "student", *RULES)

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveThresholdGate",
            description="Rejects the images whose score lies under the k-th percentile of the student's scores, or "
            "those that a learned gate expects the teacher to improve.",
            search_aliases=["threshold", "filter", "percentile", "learned gate", "risk"],
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
                io.Float.Output(
                    display_name="threshold",
                    tooltip="The score under which images are rejected; of a learned gate, the risk over which.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, table=()):
        return cls.answer(check_gauge, table)

    @classmethod
    def fingerprint_inputs(cls, table, **_linked):
        """ComfyUI asks before it runs any node of a prompt, so that is when its clock begins."""
        running_clock()
        return gauge_states(table)

    @classmethod
    def run(cls, scores, student=(None,), follow=False, corrections="", **rules):
        verdict = judge(scores, student, follow, corrections, **rules)
        decisions = verdict.decisions
        for outcome in (outcome for decision in decisions for outcome in decision.outcomes):
            outcome.entered(node_id(cls.hidden))
        show_text(cls.hidden, summary(verdict))
        shown = {**payload(verdict), "savings": since_start()}
        any_rejected = any(decision.any_rejected for decision in decisions)
        return io.NodeOutput(decisions, any_rejected, threshold_of(verdict), ui={"adaptive_gate": [shown]})


def _judging_inputs() -> list[io.Input]:
    known = outlines()
    return [
        io.MultiType.Input(
            "scores",
            types=[ScoresLink, io.Float],
            tooltip="From Quality Score, or any list of numbers, one per image, higher is better.",
        ),
        io.Combo.Input(
            "table",
            options=[THIS_RUN, *known],
            default=THIS_RUN,
            extra_dict={"outlines": known},
            tooltip="What the percentile is taken of: the scores of this run, those of a calibrated table, or the "
            "risks of a learned gate, which knows the prompt and the teacher.",
        ),
        io.Float.Input(
            "k",
            display_name="Improve worst % (k)",
            default=50.0,
            min=0.0,
            max=100.0,
            step=1.0,
            extra_dict={"samplers": SAMPLERS},
            tooltip="The share to improve. 0 keeps all and never loads the teacher, 100 improves all.",
        ),
        TableLink.Input("percentile_table", optional=True, tooltip="A table or gate, used instead of the one above."),
        StudentInfoLink.Input(
            "student", optional=True, tooltip="Link it to be told when table or gate was made for another student."
        ),
    ]


def _advanced_inputs() -> list[io.Input]:
    return [
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
        io.Float.Input(
            "keep_safe",
            display_name="Keep only what is safe (%)",
            default=0.0,
            min=float(SAFE.low),
            max=float(SAFE.high),
            step=0.5,
            optional=True,
            advanced=True,
            tooltip="With a learned gate, in the place of k: of the images you keep, at most this share would have "
            "been improved, 95 % sure, for prompts like those it was fitted to. Lower sends more to the teacher; 0 is "
            "off.",
        ),
        io.String.Input(
            "corrections",
            default="",
            optional=True,
            advanced=True,
            tooltip="The verdicts that you corrected by clicks on thumbnails: teacher or keep, and the image's digest. "
            "They change no other verdict. Empty it to correct none.",
        ),
        io.Float.Input(
            "threshold_override",
            optional=True,
            advanced=True,
            extra_dict={"forceInput": True},
            tooltip="A score to use as the threshold, whatever the table and k say. A higher one rejects more. With a "
            "learned gate chosen, a risk from 0 to 1; a higher one rejects less.",
        ),
    ]
