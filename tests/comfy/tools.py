"""Tiny real models of ComfyUI's own classes, and the pack's modules as ComfyUI loaded them."""

import comfy.model_base
import comfy.model_patcher
import comfy.supported_models
import torch

from .conftest import module as module

UNET = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 32,
    "num_res_blocks": [1, 1],
    "channel_mult": [1, 2],
    "transformer_depth": [1, 1],
    "transformer_depth_output": [1, 1, 1, 1],
    "transformer_depth_middle": 1,
    "context_dim": 32,
    "use_spatial_transformer": True,
    "use_linear_in_transformer": False,
    "adm_in_channels": None,
    "use_temporal_attention": False,
    "legacy": False,
}
FAMILIES = {"EPS": "EPS", "V_PREDICTION": "V_PREDICTION", "ZSNR": "V_PREDICTION", "FLOW": "FLOW"}


def tiny_model(family: str) -> comfy.model_patcher.ModelPatcher:
    """A UNet of a million random weights with the noise schedule of `family`."""
    config = comfy.supported_models.SD15(UNET)
    config.set_inference_dtype(torch.float32, None)
    if family == "ZSNR":
        config.sampling_settings["zsnr"] = True
    if family == "FLOW":
        config.sampling_settings["shift"] = 3.0
    kind = comfy.model_base.ModelType[FAMILIES[family]]
    model = comfy.model_base.BaseModel(config, model_type=kind, device="cpu")
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.05
    cpu = torch.device("cpu")
    return comfy.model_patcher.CoreModelPatcher(model.eval(), cpu, cpu)
