"""Give an LCM model the guidance it was trained to take."""

from comfy_api.latest import io

from ..adaptive_diffusion.diffusion.guidance_embedding import guidance_bias
from ..adaptive_diffusion.quoting import quoted
from ..host.files.unets import unet_choices, unet_path
from ..host.node import AdaptiveNode
from ..host.sampling.identity import GUIDED

BIAS = "diffusion_model.time_embed.0.bias"


class LCMGuidance(AdaptiveNode):
    TITLE = "LCM Guidance"

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveLCMGuidance",
            description="Sets the guidance of LCM-SDXL and LCM SD1.5 UNets, which ComfyUI loads without it. "
            "Sample at cfg 1. Not for LCM-LoRAs.",
            search_aliases=["lcm", "guidance", "w embedding", "distilled cfg"],
            inputs=[
                io.Model.Input("model", tooltip="The LCM UNet, from Load Diffusion Model."),
                io.Combo.Input(
                    "unet_name",
                    options=unet_choices(),
                    tooltip="The file that model came from: the guidance's own weights are read from it.",
                ),
                io.Float.Input(
                    "guidance",
                    default=8.0,
                    min=1.0,
                    max=30.0,
                    step=0.1,
                    tooltip="More follows the prompt more closely; LCM models were trained with 3 to 15.",
                ),
            ],
            outputs=[io.Model.Output(tooltip="The model with this guidance; the one given keeps its own.")],
        )

    @classmethod
    def validate_inputs(cls, unet_name=None):
        return cls.answer(unet_path, [unet_name])

    @classmethod
    def run(cls, model, unet_name, guidance):
        bias = guidance_bias(unet_path(unet_name), guidance)
        if model.get_attachment(GUIDED):
            raise ValueError(f"the model has guidance {model.get_attachment(GUIDED):g} already; link it from before")
        guided = model.clone()
        if not guided.add_patches({BIAS: (bias,)}):
            raise ValueError(f"the model has no weight {BIAS}; link the UNet of {quoted(unet_name)}")
        guided.set_attachments(GUIDED, guidance)
        return io.NodeOutput(guided)
