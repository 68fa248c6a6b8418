"""Models in the real topology of Stable Diffusion 1.5 and SDXL and of CLIP, narrow and with random weights."""

import comfy.clip_vision
import comfy.model_patcher
import comfy.sd
import comfy.sd1_clip
import comfy.supported_models
import comfy.supported_models_base
import torch

WIDTH = 64
QUIET = 0.2  # of the last layer, so that rounding does not grow from step to step
SD15 = {
    "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": WIDTH, "num_res_blocks": [2, 2, 2, 2],
    "channel_mult": [1, 2, 4, 4], "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0], "transformer_depth_middle": 1,
    "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0], "context_dim": WIDTH, "num_heads": 8,
    "use_spatial_transformer": True, "use_linear_in_transformer": False, "adm_in_channels": None,
    "use_temporal_attention": False, "legacy": False,
}  # fmt: skip
SDXL = {
    **SD15, "num_res_blocks": [2, 2, 2], "channel_mult": [1, 2, 4], "transformer_depth": [0, 0, 2, 2, 10, 10],
    "transformer_depth_middle": 10, "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
    "use_linear_in_transformer": True, "num_classes": "sequential", "adm_in_channels": 6 * 256 + WIDTH,
}  # fmt: skip
TOPOLOGIES = {"SD15": SD15, "SDXL": SDXL}
TEXT = {"hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "num_attention_heads": 4, "num_hidden_layers": 2}
VISION = {
    **TEXT, "hidden_act": "gelu", "image_size": 224, "patch_size": 32, "num_channels": 3, "projection_dim": WIDTH,
    "layer_norm_eps": 1e-5, "model_type": "clip_vision_model",
}  # fmt: skip


def randomise(weights: dict[str, torch.Tensor], seed: int) -> None:
    """Weights that neither shrink nor blow up what they are applied to."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in weights.items():
        noise = torch.randn(weight.shape, generator=generator)
        if weight.dim() > 1:
            weight.copy_(noise * (weight[0].numel() ** -0.5))
        elif weight.is_floating_point():
            weight.copy_(noise * 0.1 + name.endswith("weight"))


def unet(topology: str) -> comfy.model_patcher.ModelPatcher:
    settings = getattr(comfy.supported_models, topology)(TOPOLOGIES[topology])
    settings.set_inference_dtype(torch.float32, None)
    model = settings.get_model({}, "", device="cpu")
    weights = model.diffusion_model.state_dict()
    randomise(weights, seed=1)
    weights["out.2.weight"] *= QUIET
    return comfy.model_patcher.CoreModelPatcher(model.eval(), torch.device("cpu"), torch.device("cpu"))


def text_encoder() -> comfy.sd.CLIP:
    target = comfy.supported_models_base.ClipTarget(comfy.sd1_clip.SD1Tokenizer, comfy.sd1_clip.SD1ClipModel)
    clip = comfy.sd.CLIP(target, model_options={"clip_l_model_config": TEXT})
    randomise(clip.cond_stage_model.state_dict(), seed=2)
    return clip


def clip_vision() -> comfy.clip_vision.ClipVisionModel:
    vision = comfy.clip_vision.ClipVisionModel(VISION)
    randomise(vision.model.state_dict(), seed=3)
    return vision
