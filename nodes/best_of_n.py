"""Search before the teacher: draw images that fail the gate again, a few times at most."""

from comfy_api.latest import io

from ..adaptive_diffusion.gate.percentiles import PercentileTable
from ..host.files.tables import gauge_states
from ..host.node import AdaptiveNode
from ..host.searching import Rule, calibrated, search
from ..host.shown import show_text
from .sampling_inputs import student_inputs
from .searching_inputs import judging_inputs, searched_outputs

DEFAULT_CANDIDATES = 3


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
            inputs=[*student_inputs(), *judging_inputs("100 always draws N", _how_often())],
            outputs=searched_outputs(),
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


def _how_often() -> io.Input:
    return io.Int.Input(
        "candidates",
        display_name="Candidates at most (N)",
        default=DEFAULT_CANDIDATES,
        min=1,
        max=64,
        tooltip="How often an image is drawn at most. More find better ones, and cost more where none passes.",
    )
