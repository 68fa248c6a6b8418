"""Search before the teacher: draw images that fail the gate again, a few times at most."""

from comfy_api.latest import io

from ..adaptive_diffusion.gate.percentiles import PercentileTable
from ..host.files.tables import gauge_states, table_choices
from ..host.node import AdaptiveNode, EstimatorLink, ScoresLink, StudentInfoLink, TableLink
from ..host.searching import Rule, calibrated, search
from ..host.shown import show_text
from .sampling_inputs import student_inputs

DEFAULT_K, DEFAULT_CANDIDATES = 20.0, 3


class BestOfN(AdaptiveNode):
    TITLE = "Best of N"
    LISTS = ("prompt", *(each.id for each in student_inputs()))

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveBestOfN",
            description="Draws with the fast model, and draws an image again while its score lies under the threshold, "
            "up to N times. The best is kept.",
            search_aliases=["best of n", "search", "rejection sampling", "retry"],
            has_intermediate_output=True,
            hidden=[io.Hidden.unique_id],
            inputs=[*student_inputs(), *_judging_inputs()],
            outputs=[
                io.Latent.Output(display_name="LATENT", is_output_list=True, tooltip="For the teacher's node."),
                io.Image.Output(display_name="IMAGE", is_output_list=True, tooltip="The same, decoded."),
                ScoresLink.Output(display_name="scores", is_output_list=True, tooltip="For Threshold Gate."),
                StudentInfoLink.Output(
                    display_name="student", is_output_list=True, tooltip="The settings, and how often each was drawn."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, table=()):
        return cls.answer(calibrated, table)

    @classmethod
    def fingerprint_inputs(cls, table, **_linked):
        return gauge_states(table)

    @classmethod
    def run(cls, vae, estimator, prompt, table, k, candidates, percentile_table=None, max_batch=16, **drawing):
        rule = Rule(percentile_table or PercentileTable.load(calibrated(table)), k, candidates)
        found = search(rule, vae, estimator, prompt, max_batch, drawing)
        show_text(cls.hidden, found.text)
        latents, images, scores, *_ = map(list, zip(*found.kept, strict=True))
        return io.NodeOutput(latents, images, scores, found.students, ui={"adaptive_search": [found.shown]})


def _judging_inputs() -> list[io.Input]:
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
            tooltip="The share of drawings that fail, as at the gate. Higher draws more often; 100 always draws N.",
        ),
        io.Int.Input(
            "candidates",
            display_name="Candidates at most (N)",
            default=DEFAULT_CANDIDATES,
            min=1,
            max=64,
            tooltip="How often an image is drawn at most. More find better ones, and cost more where none passes.",
        ),
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
