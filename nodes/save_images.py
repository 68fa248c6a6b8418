"""Save images apart by their verdicts, each with its record in its file."""

from comfy_api.latest import io

from ..host.graph import behind
from ..host.node import AdaptiveNode, DecisionLink
from ..host.saving import save


class SaveImages(AdaptiveNode):
    TITLE = "Adaptive Save"
    LISTS = ("images", "decision")

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveSaveImages",
            description="Saves accepted and improved images apart, with verdict and score in the file's name and the "
            "image's record in the PNG beside the workflow.",
            search_aliases=["save image", "file name", "metadata", "export"],
            is_output_node=True,
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt, io.Hidden.prompt, io.Hidden.extra_pnginfo],
            inputs=[
                io.Image.Input("images", tooltip="From Adaptive Merge, or any images of the decision."),
                DecisionLink.Input(
                    "decision", tooltip="From Adaptive Merge, which knows what it took, or from Threshold Gate."
                ),
                io.String.Input(
                    "filename_prefix",
                    default="adaptive",
                    tooltip="As Save Image's: the folder in the output folder. In it, each verdict has its own.",
                ),
            ],
            outputs=[io.Image.Output(display_name="images", is_output_list=True, tooltip="The same images.")],
        )

    @classmethod
    def run(cls, images, decision, filename_prefix):
        nodes = behind(cls.hidden, ("images", "decision"))
        texts = (cls.hidden.prompt, cls.hidden.extra_pnginfo) if cls.hidden else (None, None)
        return io.NodeOutput(images, ui={"images": save(images, decision, filename_prefix, nodes, *texts)})
