"""diffusers' and peft's side of the students."""

from typing import Any

import torch
from diffusers import DDIMScheduler, LatentConsistencyModelPipeline, UNet2DConditionModel
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
    network = _tiny(tiny.SDXL)
    shapes = {key: list(value.shape) for key, value in network.state_dict().items()}
    return {"shapes": shapes, "clean": _clean(network, tiny.states(2048), added_cond_kwargs=_added())}


def sd() -> dict[str, Any]:
    """The same of Stable Diffusion 1's layout."""
    network = _tiny(tiny.SD)
    shapes = {key: list(value.shape) for key, value in network.state_dict().items()}
    return {"shapes": shapes, "clean": _clean(network, tiny.states(768))}


def guided() -> dict[str, Any]:
    """What the tiny SDXL and the demo's teacher say with the guidance as an input that they were given."""
    scale = torch.tensor([tiny.GUIDANCE - 1])
    width = tiny.GUIDED["time_cond_proj_dim"]
    embedding = LatentConsistencyModelPipeline.get_guidance_scale_embedding(None, scale, embedding_dim=width)
    given = {"timestep_cond": embedding, "added_cond_kwargs": _added()}
    demo = UNet2DConditionModel.from_config({**_demo(None).config, **tiny.GUIDED}).eval()
    own = {key: tiny.weight(key, tuple(value.shape)) for key, value in demo.state_dict().items()}
    demo.load_state_dict({**own, **_demo(None).state_dict()})
    x, text = tiny.noise(tiny.DEMO_SHAPE), tiny.states(128)
    said = {str(t): demo(x, t, text, timestep_cond=embedding).sample.flatten().tolist() for t in tiny.TIMESTEPS}
    return {"clean": _clean(_tiny({**tiny.SDXL, **tiny.GUIDED}), tiny.states(2048), **given), "said": said}


def _tiny(settings: dict[str, Any]) -> UNet2DConditionModel:
    network = UNet2DConditionModel(**settings).eval()
    network.load_state_dict({key: tiny.weight(key, tuple(value.shape)) for key, value in network.state_dict().items()})
    return network


def _added() -> dict[str, torch.Tensor]:
    size = torch.tensor([[tiny.SIZE, tiny.SIZE, 0, 0, tiny.SIZE, tiny.SIZE]]).float()
    return {"text_embeds": tiny.pooled(), "time_ids": size}


def _clean(network: UNet2DConditionModel, text: torch.Tensor, **given: Any) -> dict[str, list[float]]:
    scheduler = DDIMScheduler(**tiny.ZERO_SNR)
    scheduler.set_timesteps(1000)
    x, clean = tiny.noise(tiny.SDXL_SHAPE), {}
    for time in (*tiny.TIMESTEPS, 999):
        v = network(x, time, text, **given).sample
        clean[str(time)] = scheduler.step(v, time, x).pred_original_sample.flatten().tolist()
    return clean
