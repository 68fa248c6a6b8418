"""How much memory a training will take, before it begins."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import torch
from diffusers.models.attention import BasicTransformerBlock, JointTransformerBlock
from diffusers.models.resnet import ResnetBlock2D
from torch.overrides import TorchFunctionMode

from ..quoting import listed
from . import recipe as recipes
from .building import with_lora
from .layouts import Condition, StableDiffusion
from .recipe import Recipe

GIB = 2**30
LOADED = ("teacher", "autoencoder")
EXACT = 4
ADAM = 8
RECOMPUTED = (ResnetBlock2D, BasicTransformerBlock, JointTransformerBlock)
FLAGS = {
    "--method lcm-lora": lambda recipe, batch, dtype: recipe.method != recipes.LCM_LORA,
    "--checkpointing": lambda recipe, batch, dtype: not recipe.checkpointing,
    "--batch 1": lambda recipe, batch, dtype: batch > 1,
    "--dtype bfloat16": lambda recipe, batch, dtype: dtype == "float32",
    "a smaller --size": lambda recipe, batch, dtype: True,
}


def estimate(layout: StableDiffusion, recipe: Recipe, batch: int, dtype: str, text: Condition) -> dict[str, float]:
    """GiB by what needs them: the teacher, what learns, its gradients and optimiser, the average, activations.

    text: the condition of one prompt. The activations are counted on a copy of the network without numbers, whose
    autograd says what it keeps; a recomputed block keeps its input, and the largest one is there twice.
    """
    each = getattr(torch, dtype).itemsize
    twin = _twin(layout, recipe).to(getattr(torch, dtype))
    whole = sum(weight.numel() for weight in layout.network.parameters())
    learned = sum(weight.numel() for weight in twin.parameters() if weight.requires_grad)
    full = recipe.method != recipes.LCM_LORA
    found = {
        "teacher": whole * each,
        "autoencoder": sum(weight.numel() for weight in layout.pipeline.vae.parameters()) * EXACT,
        "trained weights": learned * EXACT,
        "gradients": learned * EXACT,
        "optimiser": learned * ADAM,
        "average": learned * EXACT if full else 0,
        "copies in half precision": learned * each if each < EXACT else 0,
        "activations": batch * _activations(layout, twin, recipe.checkpointing, text),
    }
    return {name: size / GIB for name, size in found.items() if size}


def check(needs: dict[str, float], free: float, recipe: Recipe, batch: int, dtype: str) -> None:
    """ValueError where what a training needs, GiB by what needs them, is more than is free; it names what helps."""
    total = sum(needs.values())
    if total > free:
        parts = listed(f"{name} {size:.1f}" for name, size in needs.items())
        helps = listed(flag for flag, fits in FLAGS.items() if fits(recipe, batch, dtype))
        raise ValueError(
            f"this training needs about {total:.1f} GiB ({parts}), but {free:.1f} are free; what helps: {helps}"
        )


def free_on(device: str) -> float:
    """GiB that are free on a device; of the memory for a CPU."""
    if torch.device(device).type == "cuda":
        return torch.cuda.mem_get_info(device)[0] / GIB
    return psutil.virtual_memory().available / GIB


def _twin(layout: StableDiffusion, recipe: Recipe) -> Any:
    """The network that learns, without numbers."""
    with torch.device("meta"):
        twin = type(layout.network).from_config(layout.network.config)
        if recipe.method == recipes.LCM_LORA:
            twin.requires_grad_(False)
            twin = with_lora(twin, layout.targets, recipe.rank, recipe.rank)
    return twin


def _activations(layout: StableDiffusion, twin: Any, recomputed: bool, text: Condition) -> int:
    """Bytes that autograd keeps of one image."""
    factor, dtype = layout.pipeline.vae_scale_factor, twin.dtype
    width, height = (side // factor for side in layout.size)
    x = torch.empty(1, twin.config.in_channels, height, width, device="meta", dtype=dtype)
    condition = {name: torch.empty(value.shape, device="meta", dtype=dtype) for name, value in text.items()}
    blocks: list[int] = []
    inputs: list[int] = []
    with _counted(twin) as kept, _blocks_counted(twin, kept, blocks, inputs), _FusedAttention():
        layout.call(twin, x, torch.zeros(1, device="meta"), condition)
    total = sum(kept.values())
    return total - sum(blocks) + sum(inputs) + max(blocks, default=0) if recomputed else total


class _Kept(torch.autograd.Function):
    """Attention as far as autograd is concerned: its inputs and its result are kept, and no square of tokens."""

    @staticmethod
    def forward(ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        result = torch.empty_like(query)
        ctx.save_for_backward(query, key, value, result)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        raise NotImplementedError("memory is counted forward alone")


class _FusedAttention(TorchFunctionMode):
    """Within, attention keeps what the fused kernels of every device do; without numbers torch would take another."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if func is torch.nn.functional.scaled_dot_product_attention:
            named = dict(zip(("query", "key", "value"), args, strict=False)) | (kwargs or {})
            return _Kept.apply(named["query"], named["key"], named["value"])
        return func(*args, **(kwargs or {}))


@contextmanager
def _counted(network: torch.nn.Module) -> Iterator[dict[int, int]]:
    """Bytes by the storage that autograd keeps within, but for the network's own weights."""
    weights = {weight.untyped_storage()._cdata for weight in network.parameters()}
    kept: dict[int, int] = {}
    alive = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = storage.nbytes()
            alive.append(storage)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield kept


@contextmanager
def _blocks_counted(
    network: torch.nn.Module, kept: dict[int, int], blocks: list[int], inputs: list[int]
) -> Iterator[None]:
    """Within, what each block that can be recomputed keeps, and how large its input is."""
    begun: list[int] = []

    def before(module: torch.nn.Module, arguments: tuple, options: dict) -> None:
        tensors = [each for each in (*arguments, *options.values()) if isinstance(each, torch.Tensor)]
        inputs.append(tensors[0].nbytes)
        begun.append(sum(kept.values()))

    def after(*_: Any) -> None:
        blocks.append(sum(kept.values()) - begun.pop())

    hooks = []
    for module in network.modules():
        if isinstance(module, RECOMPUTED):
            hooks.append(module.register_forward_pre_hook(before, with_kwargs=True))
            hooks.append(module.register_forward_hook(after))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
