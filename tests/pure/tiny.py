"""Tiny pipelines of diffusers with random weights, and a judge of known scores."""

import functools

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxImg2ImgPipeline,
    FluxTransformer2DModel,
    LCMScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Img2ImgPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
    UniPCMultistepScheduler,
)
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
)

from adaptive_diffusion.standalone.pipeline import AdaptiveDiffusionPipeline

SIZE = 16
QUICK = {"num_inference_steps_student": 2, "num_inference_steps_teacher": 3, "student_guidance": 1.0}
WORDS = ["[END]", "red", "green", "blue", "black", "white", "circle"]
PROMPTS = ["red circle", "green circle", "blue circle", "black circle", "white circle"]


class Judge:
    """Gives each prompt the score that was agreed on for it."""

    name, dtype, uses_prompt, module = "judge", "float32", True, torch.nn.Identity()

    def __init__(self, *scores: float):
        self.scores = dict(zip(PROMPTS, scores, strict=False))

    def score(self, images, prompts):
        assert images.shape[1:] == (SIZE, SIZE, 3)
        assert images.min() >= 0 and images.max() <= 1
        return torch.tensor([self.scores[prompt] for prompt in prompts])

    def cut(self, _prompts):
        return []


@functools.cache
def unet(seed: int = 0, channels: int = 4) -> UNet2DConditionModel:
    torch.manual_seed(seed)
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=channels,
        out_channels=channels,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=8,
        attention_head_dim=2,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    ).eval()


@functools.cache
def vae(scaling_factor: float = 0.18215, shift_factor: float | None = None, seed: int = 1) -> AutoencoderKL:
    torch.manual_seed(seed)
    return AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        sample_size=SIZE,
        scaling_factor=scaling_factor,
        shift_factor=shift_factor,
    ).eval()


@functools.cache
def wide_vae() -> AutoencoderTiny:
    torch.manual_seed(1)
    blocks = {"encoder_block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8)}
    return AutoencoderTiny(latent_channels=8, num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1), **blocks).eval()


@functools.cache
def text_parts():
    torch.manual_seed(2)
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[END]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[END]", model_max_length=4)
    return CLIPTextModel(text_config()).eval(), tokenizer


def text_config() -> CLIPTextConfig:
    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {"eos_token_id": 0, "bos_token_id": 0}
    return CLIPTextConfig(vocab_size=len(WORDS), max_position_embeddings=4, projection_dim=8, **ends, **sizes)


def build(kind, scheduler, network, autoencoder=None):
    text_encoder, tokenizer = text_parts()
    pipeline = kind(
        vae=autoencoder or vae(),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=network,
        scheduler=scheduler(steps_offset=1, clip_sample=False)
        if scheduler is DDIMScheduler
        else scheduler(steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def new_student(scheduler=LCMScheduler, **parts):
    return build(StableDiffusionPipeline, scheduler, unet(), **parts)


def new_teacher(scheduler=UniPCMultistepScheduler, kind=StableDiffusionImg2ImgPipeline, **parts):
    return build(kind, scheduler, unet(seed=5), **parts)


def adaptive(*scores: float, student=None, teacher=None) -> AdaptiveDiffusionPipeline:
    return AdaptiveDiffusionPipeline(Judge(*scores), student or new_student(), teacher or new_teacher())


def new_sd3_teacher(**shift) -> StableDiffusion3Img2ImgPipeline:
    """Stable Diffusion 3's image-to-image, without its T5. shift: what its scheduler is made with."""
    torch.manual_seed(3)
    transformer = SD3Transformer2DModel(
        sample_size=8,
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=32,
        caption_projection_dim=16,
        pooled_projection_dim=16,
        pos_embed_max_size=8,
    )
    encoders = [CLIPTextModelWithProjection(text_config()).eval() for _ in range(2)]
    tokenizer = text_parts()[1]
    parts = {"text_encoder": encoders[0], "text_encoder_2": encoders[1], "text_encoder_3": None}
    words = {"tokenizer": tokenizer, "tokenizer_2": tokenizer, "tokenizer_3": None}
    scheduler = FlowMatchEulerDiscreteScheduler(**(shift or {"shift": 3.0}))
    pipeline = StableDiffusion3Img2ImgPipeline(transformer.eval(), scheduler, vae(shift_factor=0.1), **parts, **words)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def new_flux_teacher() -> FluxImg2ImgPipeline:
    """Flux' image-to-image, whose time is shifted by the image's size."""
    torch.manual_seed(4)
    transformer = FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=8,
        pooled_projection_dim=8,
        axes_dims_rope=(4, 4, 8),
    )
    encoder, tokenizer = text_parts()
    t5 = T5EncoderModel(T5Config(vocab_size=len(WORDS), d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2))
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    parts = (scheduler, vae(shift_factor=0.1), encoder, tokenizer, t5.eval(), tokenizer, transformer.eval())
    pipeline = FluxImg2ImgPipeline(*parts)
    pipeline.default_sample_size = SIZE // pipeline.vae_scale_factor
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
