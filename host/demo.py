"""The embedded demo models as ComfyUI's MODEL, CLIP and VAE. They lie in diffusers' folder format."""

import json
import re
from pathlib import Path
from typing import Any

import comfy.latent_formats
import comfy.model_base
import comfy.model_management
import comfy.model_patcher
import comfy.sd
import comfy.supported_models_base
import comfy.utils
import torch
from comfy.sd1_clip import SD1ClipModel, SD1Tokenizer, SDClipModel, SDTokenizer, escape_important, token_weights
from transformers import PreTrainedTokenizerFast

from ..adaptive_diffusion.bundled import DEMO_MODELS
from ..adaptive_diffusion.vocabulary import check_words

UNETS = {"student": "student_unet", "teacher": "unet"}
WEIGHTS = "diffusion_pytorch_model.safetensors"
TEXT = DEMO_MODELS / "text_encoder"


class DemoLatents(comfy.latent_formats.LatentFormat):
    latent_channels = 8


class DemoConfig(comfy.supported_models_base.BASE):
    """The demo UNets: Stable Diffusion's UNet in small, v-prediction."""

    unet_config = {
        "image_size": 8,
        "in_channels": 8,
        "out_channels": 8,
        "model_channels": 64,
        "channel_mult": [1, 2],
        "num_res_blocks": [1, 1],
        "transformer_depth": [1, 0],
        "transformer_depth_output": [1, 1, 0, 0],
        "transformer_depth_middle": 1,
        "context_dim": 128,
        "use_spatial_transformer": True,
        "use_linear_in_transformer": False,
        "adm_in_channels": None,
        "legacy": False,
    }
    unet_extra_config = {"num_heads": 4, "num_head_channels": -1}
    latent_format = DemoLatents

    def model_type(self, state_dict: dict, prefix: str = "") -> comfy.model_base.ModelType:
        return comfy.model_base.ModelType.V_PREDICTION

    def inpaint_model(self) -> bool:
        return False


class WordTokenizer(SDTokenizer):
    """Words of the demo grammar only; an unknown one is refused rather than dropped."""

    def __init__(self, embedding_directory=None, tokenizer_data={}):  # noqa: B006 - core's own signature
        super().__init__(
            str(DEMO_MODELS / "tokenizer"),
            max_length=24,
            embedding_directory=embedding_directory,
            embedding_size=128,
            tokenizer_class=PreTrainedTokenizerFast,
            tokenizer_data=tokenizer_data,
        )

    def tokenize_with_weights(self, text: str, *arguments: Any, **options: Any):
        plain = " ".join(part for part, _ in token_weights(escape_important(text), 1.0))
        check_words(plain, self.tokenizer.get_vocab())
        return super().tokenize_with_weights(text, *arguments, **options)


class DemoTokenizer(SD1Tokenizer):
    def __init__(self, embedding_directory=None, tokenizer_data={}):  # noqa: B006 - core's own signature
        super().__init__(embedding_directory, tokenizer_data, tokenizer=WordTokenizer)


class DemoClipModel(SDClipModel):
    """Core's CLIP text model, whose vocabulary size is fixed in core and is replaced here."""

    def __init__(self, device="cpu", dtype=None, model_options={}):  # noqa: B006 - core's own signature
        config = json.loads((TEXT / "config.json").read_text())
        super().__init__(
            device=device,
            max_length=config["max_position_embeddings"],
            textmodel_json_config=config,
            dtype=dtype,
            special_tokens={"start": 0, "end": 1, "pad": 1},
            return_projected_pooled=False,
            model_options=model_options,
        )
        words = self.operations.Embedding(config["vocab_size"], config["hidden_size"], dtype=dtype, device=device)
        self.transformer.text_model.embeddings.token_embedding = words


class DemoTextModel(SD1ClipModel):
    def __init__(self, device="cpu", dtype=None, model_options={}):  # noqa: B006 - core's own signature
        super().__init__(device=device, dtype=dtype, model_options=model_options, clip_model=DemoClipModel)


def load_model(role: str, disable_dynamic: bool = False) -> comfy.model_patcher.ModelPatcher:
    """The student's or the teacher's UNet, in float32. disable_dynamic: as core's loaders have it."""
    weights = _read(DEMO_MODELS / UNETS[role] / WEIGHTS)
    config = DemoConfig(DemoConfig.unet_config)
    config.set_inference_dtype(torch.float32, None)
    names = comfy.utils.unet_to_diffusers(config.unet_config)
    model = config.get_model({})
    model.diffusion_model.load_state_dict({names[key]: value for key, value in weights.items()})
    patcher_class = comfy.model_patcher.ModelPatcher if disable_dynamic else comfy.model_patcher.CoreModelPatcher
    patcher = patcher_class(
        model.train(False), comfy.model_management.get_torch_device(), comfy.model_management.unet_offload_device()
    )
    patcher.cached_patcher_init = (load_model, (role,))
    return patcher


def load_clip() -> comfy.sd.CLIP:
    """The text encoder of both roles."""

    class Target:
        params: dict[str, Any] = {}
        clip = DemoTextModel
        tokenizer = DemoTokenizer

    clip = comfy.sd.CLIP(Target, model_options={"dtype": torch.float32})
    weights = _read(TEXT / "model.safetensors")
    clip.load_sd({re.sub(r"^(text_model\.)?", "text_model.", key): value for key, value in weights.items()})
    return clip


def load_vae() -> comfy.sd.VAE:
    """The autoencoder, whose weights core's TAESD class reads under other names; channels-last, as faster on CPUs."""
    weights = _read(DEMO_MODELS / "vae" / WEIGHTS)
    neutral = {"vae_scale": torch.tensor(1.0), "vae_shift": torch.tensor(0.0)}
    vae = comfy.sd.VAE(sd={_taesd_key(key): value for key, value in weights.items()} | neutral)
    vae.first_stage_model.to(memory_format=torch.channels_last)
    return vae


def _taesd_key(key: str) -> str:
    """diffusers' name of a layer to TAESD's, whose decoder counts its clamp as layer 0."""
    part, _, index, *rest = key.split(".")
    return ".".join([f"taesd_{part}", str(int(index) + (part == "decoder")), *rest])


def _read(path: Path) -> dict[str, torch.Tensor]:
    if not path.exists():
        raise ValueError(f"the demo model file {path.parent.name}/{path.name} is missing; install the pack again")
    return {key: value.float() for key, value in comfy.utils.load_torch_file(str(path), safe_load=True).items()}
