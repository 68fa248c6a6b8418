"""diffusers' pipelines from this machine alone, as they are published: folders, also in half precision, and files."""

import json
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.loaders.single_file_utils import fetch_diffusers_config
from huggingface_hub import snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError

from ..estimators.weights import SAFETENSORS, shapes
from ..quoting import listed, quoted
from .pipeline import Pipeline

INDEX = "model_index.json"
HALF = "fp16"


def is_model(path: Path) -> bool:
    """Whether a path looks like a model: a folder in diffusers' format, or a safetensors file."""
    return (path / INDEX).is_file() or (path.suffix == SAFETENSORS and path.is_file())


def open_pipeline(path: Path, dtype: torch.dtype) -> Pipeline:
    """The pipeline in a folder or a checkpoint's file; ValueError where it cannot be loaded from this machine alone."""
    settings = {"local_files_only": True, "torch_dtype": dtype}
    try:
        return _from_file(path, settings) if path.is_file() else _from_folder(path, settings)
    except Exception as error:  # whatever an incomplete or damaged model makes the libraries raise
        told = next(iter(str(error).strip().splitlines()), type(error).__name__)
        lacking = _lacking(path)
        reason = f"it lacks {listed(lacking)}; copy all of the model's folders" if lacking else told
        raise ValueError(f"{quoted(path)} cannot be loaded: {reason}") from error


def _lacking(path: Path) -> list[str]:
    """The parts that a folder's index names, and that are not there."""
    try:
        index = json.loads((path / INDEX).read_bytes())
        parts = [name for name, kind in index.items() if isinstance(kind, list) and kind[:1] != [None]]
    except (OSError, ValueError, AttributeError):
        return []
    return [name for name in parts if not (path / name).is_dir()]


def _from_folder(folder: Path, settings: dict[str, Any]) -> Pipeline:
    variant = HALF if any(map(_half_alone, folder.iterdir())) else None
    return diffusers.DiffusionPipeline.from_pretrained(folder, use_safetensors=True, variant=variant, **settings)


def _half_alone(part: Path) -> bool:
    """Whether a part of a model has its weights in half precision, and in no form that is taken by default."""
    stems = [path.stem for path in part.glob(f"*{SAFETENSORS}")]
    return any(f".{HALF}" in stem for stem in stems) and all("." in stem for stem in stems)


def _from_file(file: Path, settings: dict[str, Any]) -> Pipeline:
    folder = _configuration(file)
    kind = getattr(diffusers, json.loads((folder / INDEX).read_bytes())["_class_name"])
    return kind.from_single_file(str(file), config=str(folder), **settings)


def _configuration(file: Path) -> Path:
    """Where a checkpoint's configuration lies: in a folder of its name beside it, else in Hugging Face's cache.

    Without either, diffusers would download it: ValueError that says what is missing.
    """
    beside = file.with_suffix("")
    if (beside / INDEX).is_file():
        return beside
    like = fetch_diffusers_config({name: torch.empty(shape, device="meta") for name, shape in shapes(file).items()})
    repository = like["pretrained_model_name_or_path"]
    try:
        cached = Path(snapshot_download(repository, local_files_only=True))
    except LocalEntryNotFoundError:
        cached = beside
    if not (cached / INDEX).is_file():
        raise ValueError(
            f"a checkpoint does not hold its configuration; put the .json and .txt files of its repository (such as "
            f"{repository}) into the folder {quoted(beside)}, in their folders"
        )
    return cached
