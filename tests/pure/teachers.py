"""Tiny teachers of each layout with random weights, as folders; and something to learn from."""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from PIL import Image
from transformers import (
    CLIPTextModel,
    CLIPTextModelWithProjection,
    Dinov2Config,
    Dinov2Model,
    T5Config,
    T5EncoderModel,
)

from adaptive_diffusion.distillation import checkpoints
from tests.pure import tiny

SIZE = 32
EPSILON = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False}


def vae(shift: float | None = None) -> AutoencoderKL:
    torch.manual_seed(1)
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    sizes = {"block_out_channels": (8, 8), "norm_num_groups": 4, "sample_size": SIZE, "shift_factor": shift}
    return AutoencoderKL(**blocks, **sizes).eval()


def unet(**more) -> UNet2DConditionModel:
    torch.manual_seed(5)
    settings = {
        "sample_size": 16,
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "cross_attention_dim": 8,
        "attention_head_dim": 2,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    }
    return UNet2DConditionModel(**{**settings, **more}).eval()


def stable_diffusion(**scheduler) -> StableDiffusionPipeline:
    text_encoder, tokenizer = tiny.text_parts()
    parts = {"vae": vae(), "text_encoder": text_encoder, "tokenizer": tokenizer, "unet": unet()}
    nobody = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    return StableDiffusionPipeline(**parts, **nobody, scheduler=DDIMScheduler(**{**EPSILON, **scheduler}))


def stable_diffusion_2() -> StableDiffusionPipeline:
    """v-prediction, with linear projections in its attention."""
    pipeline = stable_diffusion(prediction_type="v_prediction")
    pipeline.register_modules(unet=unet(use_linear_projection=True))
    return pipeline


def sdxl(zero_snr: bool = False) -> StableDiffusionXLPipeline:
    torch.manual_seed(3)
    encoders = {
        "text_encoder": CLIPTextModel(tiny.text_config()).eval(),
        "text_encoder_2": CLIPTextModelWithProjection(tiny.text_config()).eval(),
    }
    tokenizer = tiny.text_parts()[1]
    network = unet(
        cross_attention_dim=16,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=8 + 6 * 8,
    )
    v = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    scheduler = DDIMScheduler(**EPSILON, **(v if zero_snr else {}))
    words = {"tokenizer": tokenizer, "tokenizer_2": tokenizer}
    return StableDiffusionXLPipeline(
        vae=vae(), **encoders, **words, unet=network, scheduler=scheduler, add_watermarker=False
    )


def sd3() -> StableDiffusion3Pipeline:
    torch.manual_seed(6)
    sizes = {"d_model": 32, "d_kv": 8, "d_ff": 8, "num_layers": 1, "num_heads": 2}
    t5 = T5EncoderModel(T5Config(vocab_size=len(tiny.WORDS), **sizes)).eval()
    transformer = SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=32,
        caption_projection_dim=16,
        pooled_projection_dim=16,
        pos_embed_max_size=16,
    )
    others = {
        "transformer": transformer.eval(),
        "vae": vae(0.1),
        "text_encoder_3": t5,
        "tokenizer_3": tiny.text_parts()[1],
    }
    return StableDiffusion3Pipeline(**{**tiny.new_sd3_teacher().components, **others})


LAYOUTS = {"SD1.5": stable_diffusion, "SD2-v": stable_diffusion_2, "SDXL": sdxl, "SD3": sd3}


def folder(name: str, base: Path) -> Path:
    """The teacher of this layout, as it is loaded from the disk."""
    path = base / name
    if not path.exists():
        LAYOUTS[name]().save_pretrained(path)
    return path


def pictures(folder: Path, count: int = 6) -> Path:
    """Images of one colour with metadata.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["file_name,text"]
    for i in range(count):
        Image.new("RGB", (SIZE + i, SIZE), (40 * i, 90, 200 - 30 * i)).save(folder / f"{i}.png")
        rows.append(f"{i}.png,{tiny.PROMPTS[i % len(tiny.PROMPTS)]}")
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n")
    return folder


def dino(folder: Path, width: int = 16) -> Path:
    """A tiny DINOv2 in a folder."""
    torch.manual_seed(0)
    sizes = {"hidden_size": width, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 28, "patch_size": 14}
    Dinov2Model(Dinov2Config(**sizes)).save_pretrained(folder)
    return folder


class Stopped(Exception):
    """What a training that was stopped on purpose raises."""


def stop_after(monkeypatch, step: int) -> None:
    """End the training right after the checkpoint of this step, as a kill would."""
    own = checkpoints.save

    def save(accelerator, run, now):
        own(accelerator, run, now)
        if now == step:
            raise Stopped

    monkeypatch.setattr(checkpoints, "save", save)
