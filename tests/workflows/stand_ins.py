"""Files that stand for models and inputs a workflow names, so that ComfyUI lists them."""

from collections.abc import Iterable
from pathlib import Path

import torch
from oracle import weights
from PIL import Image
from safetensors.torch import save_file

from .models import LCM_SDXL
from .parts import ModelFile

ESTIMATORS = "quality_estimators"
GUIDANCE = ("time_embedding.cond_proj.weight", "time_embedding.linear_1.weight")


def make_models(folder: Path, files: Iterable[ModelFile]) -> None:
    """Empty files, but tiny ones where the pack lists a file for what it holds."""
    for file in files:
        path = folder / file.directory / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        if file.directory == ESTIMATORS:
            state = weights.make(weights.TINY, path.stem)
            torch.save({key: torch.from_numpy(values) for key, values in state.items()}, path)
        if file == LCM_SDXL:
            save_file({key: torch.zeros(1, 1) for key in GUIDANCE}, path)


def make_input(folder: Path) -> None:
    """The picture that ComfyUI comes with."""
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 64), "white").save(folder / "example.png")
