"""The names under which ComfyUI's core finds the weights of a student, and what it takes a UNet for."""

import re
from collections.abc import Mapping
from typing import Any

import torch

from ..diffusion.guidance_embedding import CONDITION, LINEAR, guidance_embedding
from .levels import Levels
from .prediction import EPSILON, SAMPLE, V

WIDTHS = {768: "SD1.5", 1024: "SD2", 2048: "SDXL", 1280: "SDXL refiner"}
SAMPLING = {EPSILON: "eps", V: "v_prediction", SAMPLE: "x0"}
V_MARK, ZERO_SNR_MARK = "v_pred", "ztsnr"
SD2_BIAS, SD2_DEVIATION = "up_blocks.3.attentions.2.transformer_blocks.0.norm1.bias", 0.09
GUIDANCE_KEYS = (CONDITION, LINEAR)
GUIDED_BIAS = "time_embedding.linear_1.bias"
_LINEAR = {"linear_1": "0", "linear_2": "2"}
_RESNET = {
    **{"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1"},
    **{"norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection"},
}
_ENDS = {"conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2"}


def lora_keys(part: str, weights: Mapping[str, torch.Tensor], alpha: float) -> dict[str, torch.Tensor]:
    """A LoRA in kohya's keys with its true alpha, which core reads whole; in diffusers' own it drops the attention.

    part: "unet" or "transformer". weights: as peft names them, MODULE.lora_A.weight (rank, in) and lora_B (out, rank).
    """
    found = {}
    for key, value in weights.items():
        module, side = re.fullmatch(r"(.+)\.lora_([AB])\.weight", key).groups()  # type: ignore[union-attr]
        name = f"lora_{part}_{module.replace('.', '_')}"
        found[f"{name}.lora_{'down' if side == 'A' else 'up'}.weight"] = value
        found[f"{name}.alpha"] = torch.tensor(float(alpha))
    return found


def difference_keys(trained: Mapping[str, torch.Tensor], base: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A whole UNet as what is added to another's weights, in keys that core's Load LoRA reads."""
    found = {}
    for key, value in trained.items():
        module, kind = key.rsplit(".", 1)
        if key in base:
            name = f"lora_unet_{module.replace('.', '_')}"
            found[f"{name}.{'diff' if kind == 'weight' else 'diff_b'}"] = value - base[key].to(value)
    return found


def with_guidance(weights: Mapping[str, torch.Tensor], guidance: float) -> dict[str, torch.Tensor]:
    """The weights of a guided UNet, with one guidance in its first time embedding's bias: b + A W e(w)."""
    condition, linear = (weights[key].double() for key in GUIDANCE_KEYS)
    embedding = guidance_embedding(guidance, condition.shape[1]).to(condition)
    return {**weights, GUIDED_BIAS: weights[GUIDED_BIAS] + (linear @ (condition @ embedding)).to(weights[GUIDED_BIAS])}


def unet_keys(network: Any, levels: Levels) -> dict[str, torch.Tensor]:
    """A UNet's weights: in diffusers' keys, or in the original's with core's marks where these exist and are needed.

    An SDXL that predicts v has them; its guidance embedding keeps the names that LCM Guidance reads.
    """
    weights = dict(network.state_dict())
    if layout_name(network) != "SDXL" or levels.kind != V:
        return weights
    marks = {V_MARK: torch.empty(0)} | ({ZERO_SNR_MARK: torch.empty(0)} if is_zero_snr(levels) else {})
    guidance = {key: weights[key].clone() for key in GUIDANCE_KEYS if GUIDANCE_KEYS[0] in weights}
    return {**original_keys(network), **marks, **guidance}


def taken_for(network: Any, levels: Levels) -> tuple[str, bool]:
    """What core takes the file of `unet_keys` for: the kind of its prediction, and whether its last SNR is 0."""
    name = layout_name(network)
    if name == "SDXL" and levels.kind == V:
        return V, is_zero_snr(levels)
    bias = network.state_dict().get(SD2_BIAS)
    is_v = name == "SD2" and bias is not None and bias.float().std(unbiased=False).item() > SD2_DEVIATION
    return (V if is_v else EPSILON), False


def sampling_to_set(network: Any, levels: Levels) -> tuple[str, bool] | None:
    """What core's ModelSamplingDiscrete must be set to behind the UNet's loader; None where core knows it."""
    return None if taken_for(network, levels) == _truth(levels) else _sampling(levels)


def sampling_beside(levels: Levels, base: Levels) -> tuple[str, bool] | None:
    """The same behind the LoRA of a model whose levels are `base`."""
    return None if _truth(levels) == _truth(base) else _sampling(levels)


def _truth(levels: Levels) -> tuple[str, bool]:
    return levels.kind, is_zero_snr(levels)


def _sampling(levels: Levels) -> tuple[str, bool]:
    return SAMPLING[levels.kind], is_zero_snr(levels)


def is_zero_snr(levels: Levels) -> bool:
    return levels.signal[-1].item() == 0


def layout_name(network: Any) -> str | None:
    """The family whose text a UNet takes; None for another."""
    width = network.config.cross_attention_dim
    return WIDTHS.get(width) if isinstance(width, int) else None


def original_keys(network: Any) -> dict[str, torch.Tensor]:
    """A UNet's weights under Stability's original names, which diffusers' UNets were converted from."""
    layers = network.config.layers_per_block
    per_block = [layers] * len(network.down_blocks) if isinstance(layers, int) else list(layers)
    attends = [hasattr(block, "attentions") for block in network.up_blocks]
    weights = {key: value for key, value in network.state_dict().items() if key != GUIDANCE_KEYS[0]}
    return {_original(key, per_block, attends): value for key, value in weights.items()}


def _original(key: str, layers: list[int], attends: list[bool]) -> str:
    """attends: which of the blocks on the way up have attention, behind which their upsampler stands."""
    module, kind = key.rsplit(".", 1)
    head, *rest = module.split(".")
    if head in _ENDS:
        return f"{_ENDS[head]}.{kind}"
    if head in ("time_embedding", "add_embedding"):
        return f"{'time_embed' if head[0] == 't' else 'label_emb.0'}.{_LINEAR[rest[0]]}.{kind}"
    if head == "mid_block":
        place = f"middle_block.{1 if rest[0] == 'attentions' else 2 * int(rest[1])}"
        return f"{place}.{_inside(rest[0], rest[2:])}.{kind}"
    block, part, layer, inside = int(rest[0]), rest[1], int(rest[2]), rest[3:]
    if part == "downsamplers":
        return f"input_blocks.{sum(count + 1 for count in layers[: block + 1])}.0.op.{kind}"
    if part == "upsamplers":
        last = sum(count + 1 for count in layers[::-1][: block + 1]) - 1
        return f"output_blocks.{last}.{1 + attends[block]}.conv.{kind}"
    down = head == "down_blocks"
    before = down + sum(count + 1 for count in (layers if down else layers[::-1])[:block])
    side = "input_blocks" if down else "output_blocks"
    return f"{side}.{before + layer}.{int(part == 'attentions')}.{_inside(part, inside)}.{kind}"


def _inside(part: str, inside: list[str]) -> str:
    return ".".join(inside) if part == "attentions" else _RESNET[inside[0]]
