"""Nodes that stand in for checkpoints and pictures in the graphs, loaded by ComfyUI as a pack of their own.

GET /packs/evaluations tells how often each node evaluated a model since it was last asked.
"""

from collections import Counter

import comfy.model_base
import folder_paths
import torch
from aiohttp import web
from comfy_execution.utils import get_executing_context
from safetensors.torch import save_file
from server import PromptServer

from .models import clip_vision, text_encoder, unet
from .weight_files import write_all

evaluations: Counter = Counter()
apply_model = comfy.model_base.BaseModel.apply_model


def counted(self, *arguments, **options):
    evaluations[get_executing_context().node_id] += 1
    return apply_model(self, *arguments, **options)


comfy.model_base.BaseModel.apply_model = counted


@PromptServer.instance.routes.get("/packs/evaluations")
async def taken(_request):
    answer = dict(evaluations)
    evaluations.clear()
    return web.json_response(answer)


class StandIn:
    FUNCTION = "run"
    CATEGORY = "tests"


class Model(StandIn):
    """A UNet with random weights, and a text encoder that fits it."""

    RETURN_TYPES = ("MODEL", "CLIP")

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"topology": ("STRING", {})}}

    def run(self, topology):
        return unet(topology), text_encoder()


class ClipVision(StandIn):
    RETURN_TYPES = ("CLIP_VISION",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    def run(self):
        return (clip_vision(),)


class Random(StandIn):
    """Random latents, pictures and masks, as many as `rows`."""

    RETURN_TYPES = ("LATENT", "IMAGE", "MASK")

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"rows": ("INT", {}), "seed": ("INT", {})}}

    def run(self, rows, seed):
        generator = torch.Generator().manual_seed(seed)
        latents = torch.randn(rows, 4, 16, 16, generator=generator)
        return {"samples": latents}, *(torch.rand(rows, 128, 128, *more, generator=generator) for more in ((3,), ()))


class Save(StandIn):
    """Writes latents or images, all batches of a list as one, to the output folder."""

    RETURN_TYPES = ()
    OUTPUT_NODE = True
    INPUT_IS_LIST = True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": ("*", {})}}

    @classmethod
    def VALIDATE_INPUTS(cls, input_types):
        return True

    @classmethod
    def IS_CHANGED(cls, **_):
        return float("nan")

    def run(self, value):
        batches = [one["samples"] if isinstance(one, dict) else one for one in value]
        save_file(
            {"value": torch.cat(batches).contiguous()}, f"{folder_paths.get_output_directory()}/saved.safetensors"
        )
        return {}


write_all()
NODE_CLASS_MAPPINGS = {f"Packs{kind.__name__}": kind for kind in (Model, ClipVision, Random, Save)}
