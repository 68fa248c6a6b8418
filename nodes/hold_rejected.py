"""Put the rejected images into a folder, for a teacher that comes later, and let the accepted ones pass."""

from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from ..host.files.held import check_folder, held_folder
from ..host.holding import hold
from ..host.node import AdaptiveNode, DecisionLink
from ..host.shown import show_text

FOLDER = "held"


class HoldRejected(AdaptiveNode):
    TITLE = "Hold Rejected"
    LISTS = ("decision", "images", "latent", "seed")

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveHoldRejected",
            description="Puts the rejected images into a folder, from which Take Held gives them to a teacher later or "
            "elsewhere; the accepted ones pass.",
            search_aliases=["later", "defer", "queue", "two passes"],
            is_output_node=True,
            hidden=[io.Hidden.unique_id],
            inputs=[
                DecisionLink.Input("decision", tooltip="From Threshold Gate."),
                io.Image.Input("images", tooltip="The student's images: all of them."),
                io.Latent.Input("latent", tooltip="The student's latent, from which a teacher refines."),
                folder_input("Its name in ComfyUI's output/held. More runs of the same student and gate add to it."),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    optional=True,
                    advanced=True,
                    extra_dict={"forceInput": True},
                    tooltip="The seed of each batch, where its student is not linked to Threshold Gate.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="accepted", is_output_list=True, tooltip="Those the gate kept, to be saved at once."
                ),
                DecisionLink.Output(
                    display_name="decision", is_output_list=True, tooltip="The decision on these, for Adaptive Save."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, folder=()):
        return cls.answer(check_folder, folder)

    @classmethod
    def run(cls, decision, images, latent, folder, seed=(None,)):
        held = hold(held_folder(folder), decision, images, latent, seed)
        again = held.rejected - held.fresh
        there = f"; {again} were there already" if again else ""
        show_text(cls.hidden, f"{held.fresh} rejected images put into 'held/{folder.strip()}'{there}")
        nothing = [ExecutionBlocker(None)]
        return io.NodeOutput(held.images or nothing, held.decisions or nothing)


def folder_input(tooltip: str) -> io.Input:
    return io.String.Input("folder", default=FOLDER, tooltip=tooltip)
