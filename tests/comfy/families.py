"""The model families people use, as ComfyUI's own classes with few and random weights."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import comfy.model_patcher
import comfy.supported_models
import torch

from .tools import UNET

WIDTH = 32
TOKENS = 5
WIDE_UNET = {**UNET, "model_channels": 64, "use_linear_in_transformer": True, "num_classes": "sequential"}
SDXL_UNET = {**WIDE_UNET, "adm_in_channels": 6 * 256 + WIDTH}
REFINER_UNET = {**WIDE_UNET, "adm_in_channels": 5 * 256 + WIDTH}
SD3_MMDIT = {
    "in_channels": 16, "patch_size": 2, "depth": 1, "input_size": None, "adm_in_channels": WIDTH, "num_patches": 1024,
    "pos_embed_max_size": 32, "pos_embed_scaling_factor": None, "context_size": WIDTH,
    "context_embedder_config": {
        "target": "torch.nn.Linear", "params": {"in_features": WIDTH, "out_features": 64}
    },
}  # fmt: skip
FLUX = {
    "image_model": "flux", "in_channels": 16, "out_channels": 16, "vec_in_dim": WIDTH, "context_in_dim": WIDTH,
    "hidden_size": 32, "mlp_ratio": 2.0, "num_heads": 2, "depth": 1, "depth_single_blocks": 1, "axes_dim": [4, 6, 6],
    "theta": 10000, "patch_size": 2, "qkv_bias": True, "guidance_embed": True, "txt_ids_dims": [],
}  # fmt: skip
Z_IMAGE = {
    "image_model": "lumina2", "in_channels": 16, "patch_size": 2, "dim": 256, "cap_feat_dim": WIDTH, "n_layers": 1,
    "n_refiner_layers": 1, "n_heads": 8, "n_kv_heads": 8, "qk_norm": True, "axes_dims": [8, 12, 12],
    "axes_lens": [64, 64, 64], "rope_theta": 256.0, "ffn_dim_multiplier": 1.0, "z_image_modulation": True,
    "time_scale": 1000.0, "pad_tokens_multiple": 32,
}  # fmt: skip
QWEN_IMAGE = {
    "image_model": "qwen_image", "in_channels": 64, "num_layers": 1, "attention_head_dim": 16,
    "num_attention_heads": 2, "joint_attention_dim": WIDTH, "axes_dims_rope": (4, 6, 6),
}  # fmt: skip
V_PREDICTION = {"output_blocks.11.1.transformer_blocks.0.norm1.bias": torch.tensor([0.5, -0.5])}
ZERO_SNR = {"v_pred": torch.tensor([]), "ztsnr": torch.tensor([])}


@dataclass
class Family:
    """settings: the class of comfy.supported_models. found: what its checkpoints hold that ComfyUI tells them by.

    shape: of one latent image, with no multiple of 16 numbers. guided: whether people use it with a negative prompt.
    """

    settings: Callable[[dict[str, Any]], Any]
    config: dict[str, Any]
    shape: tuple[int, ...] = (4, 9, 7)
    found: dict[str, torch.Tensor] = field(default_factory=dict)
    pooled: bool = False
    guided: bool = True

    def model(self, seed: int = 1) -> comfy.model_patcher.ModelPatcher:
        settings = self.settings(self.config)
        settings.set_inference_dtype(torch.float32, None)
        model = settings.get_model(self.found, "", device="cpu")
        generator = torch.Generator().manual_seed(seed)
        for weight in model.diffusion_model.state_dict().values():
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.05)
        cpu = torch.device("cpu")
        return comfy.model_patcher.CoreModelPatcher(model.eval(), cpu, cpu)

    def text(self, seed: int, rows: int = 1, **options: Any) -> list[list[Any]]:
        """A prompt as this family's text encoders give it."""
        generator = torch.Generator().manual_seed(seed)
        if self.pooled:
            options["pooled_output"] = torch.randn(rows, WIDTH, generator=generator)
        return [[torch.randn(rows, TOKENS, WIDTH, generator=generator), options]]

    def latent(self, rows: int, seed: int = 0) -> dict[str, torch.Tensor]:
        return {"samples": torch.randn(rows, *self.shape, generator=torch.Generator().manual_seed(seed))}


def _later(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda config: getattr(comfy.supported_models, name)(config)


DIT = (16, 10, 6)
FAMILIES = {
    "SD1.5": Family(_later("SD15"), UNET),
    "SD2.1-768-v": Family(_later("SD20"), {**WIDE_UNET, "num_classes": None}, found=V_PREDICTION),
    "SDXL": Family(_later("SDXL"), SDXL_UNET, pooled=True),
    "SDXL zero-SNR v": Family(_later("SDXL"), SDXL_UNET, found=ZERO_SNR, pooled=True),
    "SDXL refiner": Family(_later("SDXLRefiner"), REFINER_UNET, pooled=True),
    "SD3": Family(_later("SD3"), SD3_MMDIT, DIT, pooled=True),
    "Flux": Family(_later("Flux"), FLUX, DIT, pooled=True, guided=False),
    "Z-Image": Family(_later("ZImage"), Z_IMAGE, DIT),
    "Qwen-Image": Family(_later("QwenImage"), QWEN_IMAGE, (16, 1, 10, 6)),
}
