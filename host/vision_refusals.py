"""Which text encoders cannot judge images, and why: a sentence each, with the cure."""

from typing import Any

from ..adaptive_diffusion.quoting import quoted, unquoted

LOAD = "load a Qwen3-VL 4B or 8B with Load CLIP, as type krea2, ideogram4, boogu, joyimage, mage or qwen_image"
PATCHES = ("patches", "hook_patches", "weight_wrapper_patches", "forced_hooks")
COMPUTE_TYPE = "manual_cast_dtype"  # which ComfyUI sets on every CLIP
SEEING = ("visual", "vision_model", "multi_modal_projector")
KLEIN = {"qwen3_4b", "qwen3_8b"}
GONE = "this ComfyUI's {kind} has no {part}, which judging needs; update the pack"


def check_clip(clip: Any) -> Any:
    """The network of a CLIP that can judge; ValueError for any other."""
    model = clip.cond_stage_model
    _check_patches(clip)
    encoder = getattr(model, getattr(model, "clip", "") or "", None)
    network = getattr(encoder, "transformer", None)
    if network is None:
        raise ValueError(f"several text encoders, or none, are in this CLIP; {LOAD}")
    name = unquoted(getattr(model, "clip_name", type(network).__name__))
    _check_kind(name, network)
    _check_parts(name, network)
    return network


def _check_patches(clip: Any) -> None:
    objects = {*clip.patcher.object_patches} - {COMPUTE_TYPE}
    if objects or any(getattr(clip.patcher, part, None) for part in PATCHES):
        raise ValueError(
            "this CLIP has a LoRA or another patch, which would judge otherwise than the model itself; "
            "link the CLIP from its loader"
        )


def _check_kind(name: str, network: Any) -> None:
    kind = f"this text encoder ({name})"
    if name.startswith("qwen35"):
        raise ValueError(
            f"{kind} is a Qwen3.5, whose images ComfyUI reads otherwise than the model was trained; {LOAD}"
        )
    if name.startswith("qwen25"):
        raise ValueError(f"{kind} is a Qwen2.5-VL, of which ComfyUI does not keep the head that answers; {LOAD}")
    if not any(hasattr(network, part) for part in SEEING):
        dropped = ", and a Qwen3-VL loaded as type flux or flux2 loses its own" if name in KLEIN else ""
        raise ValueError(f"{kind} has no part that sees images{dropped}; {LOAD}")
    if not hasattr(network, "build_image_inputs"):
        raise ValueError(f"{kind} is not a Qwen3-VL, the only kind that can judge so far; {LOAD}")
    if getattr(network.model, "norm", None) is None:
        raise ValueError(f"{kind} was cut off before its head, so that it can say nothing of an image; {LOAD}")


def _check_parts(name: str, network: Any) -> None:
    """ValueError where a later ComfyUI has built the same model otherwise."""
    wanted = {
        network: ("preprocess_embed", "logits", "get_input_embeddings"),
        network.model: ("embed_tokens", "layers", "config"),
        network.visual: ("patch_embed", "merger", "spatial_merge_size", "patch_size", "hidden_size"),
    }
    for module, parts in wanted.items():
        for part in parts:
            if not hasattr(module, part):
                raise ValueError(GONE.format(kind=name, part=quoted(part)))
