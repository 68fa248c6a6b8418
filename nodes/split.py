"""Take a batch apart into the accepted and the rejected images."""

from comfy_api.latest import io

from ..host.node import AdaptiveNode, DecisionLink
from ..host.splitting import split

NOTHING = "If there are none, nothing behind this runs."


class Split(AdaptiveNode):
    TITLE = "Adaptive Split"
    LISTS = ("decision", "batch")

    @classmethod
    def define_schema(cls):
        template = io.MatchType.Template("batch", [io.Image, io.Latent, io.Conditioning])
        return cls.schema(
            node_id="AdaptiveSplit",
            description="Takes a batch apart into the images the gate accepted and those it rejected.",
            search_aliases=["filter images", "reject"],
            inputs=[
                DecisionLink.Input("decision", tooltip="From Threshold Gate."),
                io.MatchType.Input(
                    "batch", template=template, tooltip="The scored images, their latent, or their conditioning."
                ),
                io.Int.Input(
                    "top",
                    display_name="Best n",
                    default=1,
                    min=1,
                    max=4096,
                    optional=True,
                    tooltip="How many images of each batch come out at 'best'. More let lower scores in.",
                ),
            ],
            outputs=[
                _output(template, "accepted", f"Those the gate kept. {NOTHING}"),
                _output(template, "rejected", f"Those it sent on. {NOTHING}"),
                io.String.Output(
                    display_name="prompts",
                    is_output_list=True,
                    tooltip="The prompt of each rejected batch, for CLIP Text Encode.",
                ),
                io.Int.Output(
                    display_name="seeds", is_output_list=True, tooltip="The student's seed of each rejected batch."
                ),
                io.String.Output(
                    display_name="reasons",
                    is_output_list=True,
                    tooltip="The checks that images of each rejected batch failed, to be added to its prompt.",
                ),
                _output(template, "best", "The n images of each batch that score highest, the best first."),
            ],
        )

    @classmethod
    def run(cls, decision, batch, top=1):
        return io.NodeOutput(*split(decision, batch, top))


def _output(template: io.MatchType.Template, name: str, tooltip: str) -> io.Output:
    return io.MatchType.Output(template=template, id=name, display_name=name, is_output_list=True, tooltip=tooltip)
