"""Whether a teacher's weights are all there, and numbers: a student would learn from whatever stands in their place."""

from pathlib import Path

import torch
from safetensors import safe_open

from ..estimators.weights import SAFETENSORS
from ..quoting import listed, quoted
from ..standalone.drawing import Pipeline


def check_weights(pipeline: Pipeline, path: Path) -> None:
    """ValueError where a network of a pipeline, opened from `path`, lacks weights that its files should hold.

    Also where some are not finite. The libraries fill what is missing with random numbers, or leave it empty.
    """
    for name, part in pipeline.components.items():
        if isinstance(part, torch.nn.Module):
            where = f"{quoted(path / name)}" if path.is_dir() else f"{name} of {quoted(path)}"
            _check_there(part, path / name, where)
            _check_finite(part, where)


def _check_there(network: torch.nn.Module, folder: Path, where: str) -> None:
    weights = dict(network.named_parameters())
    if empty := [name for name, weight in weights.items() if weight.is_meta]:
        raise ValueError(f"{where} lacks {listed(empty[:3])}; copy the model again")
    files = sorted(folder.glob(f"*{SAFETENSORS}"))
    there = {name for file in files for name in _names(file)}
    if files and len(there) < len(weights):
        raise ValueError(f"{where} has {len(there)} weights of the {len(weights)} of its network; copy the model again")


def _names(file: Path) -> list[str]:
    with safe_open(file, "pt") as weights:
        return list(weights.keys())


def _check_finite(network: torch.nn.Module, where: str) -> None:
    for name, weight in network.named_parameters():
        if not weight.isfinite().all():
            raise ValueError(f"{where} has weights that are not finite, in {name}; copy the model again")
