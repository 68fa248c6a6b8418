"""Load the tiny models that come with the pack."""

from comfy_api.latest import io

from ..host.demo import UNETS, load_clip, load_model, load_vae
from ..host.node import AdaptiveNode


class LoadDemoModels(AdaptiveNode):
    TITLE = "Load Demo Models"

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveLoadDemoModels",
            description="Tiny 64 px models that come with the pack: to see the mechanism, not to make pictures.",
            search_aliases=["example", "demo"],
            inputs=[
                io.Combo.Input(
                    "role",
                    options=list(UNETS),
                    default="student",
                    tooltip="The fast student or the slow teacher. Both use the same text encoder and VAE.",
                ),
            ],
            outputs=[
                io.Model.Output(tooltip="The chosen role's model."),
                io.Clip.Output(tooltip="The text encoder of both roles. It knows 25 words."),
                io.Vae.Output(tooltip="The VAE of both roles, for 64 px images."),
            ],
        )

    @classmethod
    def run(cls, role):
        return io.NodeOutput(load_model(role), load_clip(), load_vae())
