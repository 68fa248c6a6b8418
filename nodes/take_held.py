"""Give held images back, ready for a teacher and Merge."""

from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from ..host.files.held import check_folder, held_folder
from ..host.holding import give, latent_of
from ..host.node import AdaptiveNode, DecisionLink, node_id
from ..host.shown import show_text
from .hold_rejected import folder_input

NO_LATENT = "an image was held without its latent; link IMAGE to VAE Encode with the teacher's VAE"


class TakeHeld(AdaptiveNode):
    TITLE = "Take Held"
    LISTS = ("folder",)

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveTakeHeld",
            description="Gives images that Hold Rejected put aside to a teacher. Each is done once Adaptive Merge or "
            "Adaptive Save has its result, which lies in the folder then.",
            search_aliases=["later", "resume", "queue", "two passes"],
            hidden=[io.Hidden.unique_id],
            inputs=[
                folder_input("Its name in ComfyUI's output/held, where it may have been copied from another machine."),
                io.Int.Input(
                    "most",
                    display_name="Images at most",
                    default=64,
                    min=1,
                    max=4096,
                    tooltip="How many to take in a run, the oldest first. More load the teacher less often, and need "
                    "more memory for what they become.",
                ),
            ],
            outputs=[
                DecisionLink.Output(
                    display_name="decision", is_output_list=True, tooltip="That all of them are rejected."
                ),
                io.Latent.Output(
                    display_name="LATENT", is_output_list=True, tooltip="The student's, for Teacher Refine."
                ),
                io.Image.Output(
                    display_name="IMAGE", is_output_list=True, tooltip="The student's images, for Adaptive Merge."
                ),
                io.String.Output(
                    display_name="prompts",
                    is_output_list=True,
                    tooltip="Each batch's prompt, for CLIP Text Encode.",
                ),
                io.Int.Output(
                    display_name="seeds",
                    is_output_list=True,
                    tooltip="Each batch's seed of the student, for a teacher.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, folder=()):
        return cls.answer(check_folder, folder)

    @classmethod
    def fingerprint_inputs(cls, **_):
        """What waits is another each time, and it must be taken to be let go."""
        return float("nan")

    @classmethod
    def run(cls, folder, most):
        given = [give(held_folder(name), most, node_id(cls.hidden)) for name in dict.fromkeys(folder)]
        show_text(cls.hidden, "\n".join(each.text for each in given))
        no_latent = ExecutionBlocker(f"{cls.TITLE}: {NO_LATENT}")
        columns = [
            (batch.decision, latent_of(batch) or no_latent, batch.images, batch.prompt, batch.seed)
            for each in given
            for batch in each.batches
        ]
        return io.NodeOutput(*(map(list, zip(*columns, strict=True)) if columns else [[ExecutionBlocker(None)]] * 5))
