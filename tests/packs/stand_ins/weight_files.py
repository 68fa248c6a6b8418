"""Random weights for SD1.5's narrow copy in the file formats that the packs' loaders read."""

from pathlib import Path

import comfy.cldm.cldm
import comfy.ops
import folder_paths
import torch
from safetensors.torch import save_file

from .models import SD15, WIDTH, randomise, unet


def write_all() -> None:
    layers = {name: weight.shape for name, weight in unet("SD15").model.diffusion_model.state_dict().items()}
    _write("controlnet", control_net(), seed=4)
    _write("ipadapter", ip_adapter(layers), seed=5)
    _write("loras", lora(layers), seed=6)


def _write(folder: str, weights: dict[str, torch.Tensor], seed: int) -> None:
    randomise(weights, seed)
    path = Path(folder_paths.models_dir) / folder / "random.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, path)


def control_net() -> dict[str, torch.Tensor]:
    config = {name: value for name, value in SD15.items() if name not in ("out_channels", "transformer_depth_output")}
    net = comfy.cldm.cldm.ControlNet(**config, hint_channels=3, operations=comfy.ops.disable_weight_init)
    return {f"control_model.{name}": weight.contiguous() for name, weight in net.state_dict().items()}


def ip_adapter(layers: dict[str, torch.Size], tokens: int = 4) -> dict[str, torch.Tensor]:
    """One pair of projections for each cross attention, numbered 1, 3, 5 ...; inputs, then outputs, then the middle."""
    keys = [name for part in ("input", "output", "middle") for name in layers if name.startswith(f"{part}_block")]
    weights = {
        "image_proj.proj.weight": torch.empty(tokens * WIDTH, WIDTH),
        "image_proj.proj.bias": torch.empty(tokens * WIDTH),
        "image_proj.norm.weight": torch.empty(WIDTH),
        "image_proj.norm.bias": torch.empty(WIDTH),
    }
    for number, key in enumerate(key for key in keys if key.endswith("attn2.to_k.weight")):
        weights |= {f"ip_adapter.{2 * number + 1}.to_{kind}_ip.weight": torch.empty(layers[key]) for kind in "kv"}
    return weights


def lora(layers: dict[str, torch.Size], rank: int = 2) -> dict[str, torch.Tensor]:
    weights = {}
    for key in (key for key in layers if key.endswith("attn2.to_v.weight")):
        name, (out, into) = f"diffusion_model.{key.removesuffix('.weight')}", layers[key]
        weights |= {
            f"{name}.lora_up.weight": torch.empty(out, rank),
            f"{name}.lora_down.weight": torch.empty(rank, into),
        }
    return weights
