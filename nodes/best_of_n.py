"""Search before the teacher: draw images that fail the gate again, a few times at most."""

from comfy_api.latest import io

from ..adaptive_diffusion.gate.percentiles import PercentileTable
from ..host.searching import Rule, calibrated
from .sampling_inputs import student_inputs
from .searching_inputs import SearchingNode, judging_inputs, searched_outputs

DEFAULT_CANDIDATES = 3


class BestOfN(SearchingNode):
    TITLE = "Best of N"

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
    def run(cls, vae, estimator, prompt, table, k, candidates, percentile_table=None, max_batch=16, **drawing):
        rule = Rule(percentile_table or PercentileTable.load(calibrated(table)), k, candidates)
        return cls.searched(rule, vae, estimator, prompt, max_batch, drawing)


def _how_often() -> io.Input:
    return io.Int.Input(
        "candidates",
        display_name="Candidates at most (N)",
        default=DEFAULT_CANDIDATES,
        min=1,
        max=64,
        tooltip="How often an image is drawn at most. More find better ones, and cost more where none passes.",
    )
