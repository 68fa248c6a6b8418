"""diffusers' and peft's side of the students."""

from typing import Any

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from peft import LoraConfig

from adaptive_diffusion.bundled import DEMO_MODELS
from adaptive_diffusion.distillation.layouts import StableDiffusion

from . import own_student as tiny

LORA = "lora_"


def lora() -> dict[str, Any]:
    """The shapes of the adapters, and what the demo's teacher says with them and without, by alpha and timestep."""
    said: dict[str, Any] = {"none": _said(_demo(None))}
    for alpha in tiny.ALPHAS:
        network = _demo(alpha)
        said[str(alpha)] = _said(network)
    names = {
        key.replace(".default", ""): list(value.shape) for key, value in network.state_dict().items() if LORA in key
    }
    return {"shapes": names, "said": said}


def _demo(alpha: int | None) -> UNet2DConditionModel:
    network = UNet2DConditionModel.from_pretrained(DEMO_MODELS / "unet", torch_dtype=torch.float32)
    if alpha is not None:
        network.add_adapter(LoraConfig(r=tiny.RANK, lora_alpha=alpha, target_modules=list(StableDiffusion.targets)))
        for key, value in network.state_dict().items():
            if LORA in key:
                value.copy_(tiny.lora_weight(key.replace(".default", ""), tuple(value.shape)))
    return network


def _said(network: UNet2DConditionModel) -> dict[str, list[float]]:
    x, text = tiny.noise(tiny.DEMO_SHAPE), tiny.states(128)
    return {str(time): network(x, time, text).sample.flatten().tolist() for time in tiny.TIMESTEPS}


def sdxl() -> dict[str, Any]:
    """The shapes of the weights, and the clean latents that the network sees in one noise, by timestep."""
    network = UNet2DConditionModel(**tiny.SDXL).eval()
    network.load_state_dict({key: tiny.weight(key, tuple(value.shape)) for key, value in network.state_dict().items()})
    scheduler = DDIMScheduler(**tiny.ZERO_SNR)
    scheduler.set_timesteps(1000)
    size = torch.tensor([[tiny.SIZE, tiny.SIZE, 0, 0, tiny.SIZE, tiny.SIZE]]).float()
    added = {"text_embeds": tiny.pooled(), "time_ids": size}
    x, text, clean = tiny.noise(tiny.SDXL_SHAPE), tiny.states(2048), {}
    for time in (*tiny.TIMESTEPS, 999):
        v = network(x, time, text, added_cond_kwargs=added).sample
        clean[str(time)] = scheduler.step(v, time, x).pred_original_sample.flatten().tolist()
    return {"shapes": {key: list(value.shape) for key, value in network.state_dict().items()}, "clean": clean}
