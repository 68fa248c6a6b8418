"""What the nodes that draw images again share: how drawings are judged, and what comes out."""

from typing import Any

from comfy_api.latest import io

from ..host.files.tables import gauge_states, table_choices
from ..host.node import AdaptiveNode, EstimatorLink, ScoresLink, StudentInfoLink, TableLink
from ..host.searching import Rule, calibrated, search
from ..host.shown import show_text
from .sampling_inputs import student_inputs

DEFAULT_K = 20.0


class SearchingNode(AdaptiveNode):
    """A node that draws images again by a calibrated table."""

    LISTS = ("prompt", *(each.id for each in student_inputs()))

    @classmethod
    def validate_inputs(cls, table=()):
        return cls.answer(calibrated, table)

    @classmethod
    def fingerprint_inputs(cls, table, **_linked):
        return gauge_states(table)

    @classmethod
    def searched(cls, rule: Rule, *asked: Any) -> io.NodeOutput:
        """What is found by the rule and shown. asked: as `search` takes it."""
        found = search(rule, *asked)
        show_text(cls.hidden, found.text)
        latents, images, scores, *_ = map(list, zip(*found.kept, strict=True))
        return io.NodeOutput(latents, images, scores, found.students, ui={"adaptive_search": [found.shown]})


def judging_inputs(at_the_end: str, *how_often: io.Input) -> list[io.Input]:
    """How drawings are judged. at_the_end: what k 100 does; how_often: what says how many drawings there may be."""
    tables = table_choices()[1:]
    return [
        io.Vae.Input("vae", tooltip="The student's: candidates are decoded to be scored."),
        EstimatorLink.Input("estimator", tooltip="From Load Estimator."),
        io.String.Input(
            "prompt",
            multiline=True,
            tooltip="What the images are to show: one for all, one per batch, or one per image.",
        ),
        io.Combo.Input("table", options=tables, tooltip="A calibrated table of this student, drawn once an image."),
        io.Float.Input(
            "k",
            display_name="Draw worst % again (k)",
            default=DEFAULT_K,
            min=0.0,
            max=100.0,
            step=1.0,
            tooltip=f"The share of drawings that fail, as at the gate. Higher draws more often; {at_the_end}.",
        ),
        *how_often,
        TableLink.Input("percentile_table", optional=True, tooltip="Used instead of the table chosen above."),
        io.Int.Input(
            "max_batch",
            default=16,
            min=1,
            max=4096,
            optional=True,
            advanced=True,
            tooltip="Images drawn again are drawn together; fewer at a time need less memory.",
        ),
    ]


def searched_outputs() -> list[io.Output]:
    return [
        io.Latent.Output(display_name="LATENT", is_output_list=True, tooltip="For the teacher's node."),
        io.Image.Output(display_name="IMAGE", is_output_list=True, tooltip="The same, decoded."),
        ScoresLink.Output(display_name="scores", is_output_list=True, tooltip="For Threshold Gate."),
        StudentInfoLink.Output(
            display_name="student", is_output_list=True, tooltip="The settings, and how often each was drawn."
        ),
    ]
