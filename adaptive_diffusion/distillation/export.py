"""What comes out of a training: the student as a folder of diffusers, and a file that ComfyUI's own loaders read."""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import FlowMatchLCMScheduler, LCMScheduler
from peft import get_peft_model_state_dict
from safetensors.torch import save_file

from ..files import making_folder, replacing
from ..standalone.drawing import Pipeline
from ..standalone.models import SETTINGS
from . import comfyui_keys
from .disk import saving
from .layouts import StableDiffusion, StableDiffusion3
from .levels import Levels


def save_pipeline(pipeline: Pipeline, folder: Path, settings: dict[str, Any]) -> None:
    """A pipeline as a folder that is whole once it is there. settings: how it is meant to be run, as the demo's."""
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            part.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    with saving(folder), making_folder(folder) as beside:
        pipeline.save_pretrained(beside, safe_serialization=True)
        (beside / SETTINGS).write_text(json.dumps(settings, indent=1) + "\n", "utf-8")


def student_pipeline(layout: StableDiffusion, network: Any, dtype: str) -> Pipeline:
    """The teacher's pipeline with the student's network, sampled as LCMs are."""
    kind = FlowMatchLCMScheduler if isinstance(layout, StableDiffusion3) else LCMScheduler
    return with_network(layout, network, kind.from_config(layout.pipeline.scheduler.config), dtype)


def with_network(layout: StableDiffusion, network: Any, scheduler: Any, dtype: str) -> Pipeline:
    """The pipeline with another network and scheduler."""
    changed = {layout.part: network.to(getattr(torch, dtype)), "scheduler": scheduler}
    made = type(layout.pipeline)(**{**layout.pipeline.components, **changed})
    made.set_progress_bar_config(disable=True)
    return made


def save_lora(network: Any, layout: StableDiffusion, path: Path, dtype: str) -> None:
    """The adapters of a network, for core's Load LoRA."""
    alpha = next(iter(network.peft_config.values())).lora_alpha
    weights = get_peft_model_state_dict(network)
    _save(comfyui_keys.lora_keys(layout.part, weights, alpha), path, dtype)


def save_unet(network: Any, levels: Levels, path: Path, dtype: str) -> None:
    """A UNet for core's Load Diffusion Model."""
    _save(comfyui_keys.unet_keys(network, levels), path, dtype)


def save_difference(network: Any, teacher: Any, path: Path, dtype: str, guidance: float | None) -> None:
    """A UNet as what core's Load LoRA adds to its teacher, for a layout that core's loaders do not know.

    guidance: which a network that takes one is given for good.
    """
    weights = dict(network.state_dict())
    if guidance:
        weights = comfyui_keys.with_guidance(weights, guidance)
    _save(comfyui_keys.difference_keys(weights, teacher.state_dict()), path, dtype)


def merged(network: Any) -> Any:
    """The network with its adapters added to its weights; ends their training."""
    network.fuse_lora()
    network.unload_lora()
    return network


def _save(weights: dict[str, torch.Tensor], path: Path, dtype: str) -> None:
    kept = {name: value.detach().to(getattr(torch, dtype)).cpu().contiguous() for name, value in weights.items()}
    with saving(path), replacing(path) as beside:
        save_file(kept, beside, metadata={"format": "pt"})
