"""Files that stand for models and inputs a workflow names, so that ComfyUI lists them."""

import json
from collections.abc import Iterable
from pathlib import Path

import torch
from find_comfyui import PACK
from oracle import weights
from PIL import Image
from safetensors.torch import load_file, save_file

from .models import LCM_SDXL
from .own import NAME
from .parts import ModelFile

LORAS, TABLES = Path("models/loras"), Path("user/adaptive_diffusion/percentiles")
WEIGHTS = "diffusion_pytorch_model.safetensors"
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


def make_student(base: Path) -> list[Path]:
    """What `distill` would make of the demo's teacher: the demo's student as a LoRA, and its table; the files."""
    lora, table = base / LORAS / f"{NAME}.safetensors", base / TABLES / f"{NAME}.json"
    for file in (lora, table):
        file.parent.mkdir(parents=True, exist_ok=True)
    teacher, student = (load_file(PACK / "demo_models" / part / WEIGHTS) for part in ("unet", "student_unet"))
    save_file({_added(key): student[key].float() - value.float() for key, value in teacher.items()}, lora)
    known = json.loads((PACK / "percentiles" / "Demo.json").read_text())
    known["student"] |= {"name": NAME, "lora": True}
    table.write_text(json.dumps(known))
    return [lora, table]


def _added(key: str) -> str:
    """Core's key of a difference to a weight of a UNet."""
    module, kind = key.rsplit(".", 1)
    return f"lora_unet_{module.replace('.', '_')}.{'diff' if kind == 'weight' else 'diff_b'}"
