"""Draw a prompt until enough images pass."""

from comfy_api.latest import io

from ..adaptive_diffusion.gate.percentiles import PercentileTable
from ..host.searching import Rule, calibrated, of_size
from .sampling_inputs import student_inputs
from .searching_inputs import SearchingNode, judging_inputs, searched_outputs


class UntilEnough(SearchingNode):
    TITLE = "Until Enough"

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveUntilEnough",
            description="Goes on drawing each prompt with the fast model until so many images have passed, or a limit "
            "is met. It gives exactly so many: where too few passed, the best of the others fill up.",
            search_aliases=["until", "loop", "keep drawing", "rejection sampling", "top n"],
            has_intermediate_output=True,
            hidden=[io.Hidden.unique_id],
            inputs=[*student_inputs(), *judging_inputs("at 100 none passes", *_how_many())],
            outputs=searched_outputs(),
        )

    @classmethod
    def run(cls, vae, estimator, prompt, table, k, images, limit, percentile_table=None, max_batch=16, **drawing):
        rule = Rule(percentile_table or PercentileTable.load(calibrated(table)), k, limit, images)
        drawing["latent_image"] = [of_size(latent, images) for latent in drawing["latent_image"]]
        return cls.searched(rule, vae, estimator, prompt, max_batch, drawing)


def _how_many() -> tuple[io.Input, io.Input]:
    return (
        io.Int.Input(
            "images",
            display_name="Images wanted (n)",
            default=4,
            min=1,
            max=4096,
            tooltip="How many images of each prompt are to pass, and come out, whatever the latent's batch.",
        ),
        io.Int.Input(
            "limit",
            display_name="Drawn at most",
            default=16,
            min=1,
            max=100000,
            tooltip="How many images of each prompt are drawn at most. More let hard prompts be tried longer.",
        ),
    )
