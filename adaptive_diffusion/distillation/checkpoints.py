"""Checkpoints of training that are whole, or are not there: accelerate saves them, a list of digests says which are."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file

from ..files import sync_names, write_atomically
from ..quoting import quoted
from ..reading import Unreadable, read_json, told
from .disk import saving

FOLDER, PREFIX, WHOLE = "checkpoints", "checkpoint_", "whole.json"
KEPT = 2
BLOCK = 2**20


def keep_trained_alone(accelerator: Accelerator) -> None:
    """Have the accelerator save and load, of its networks, only the weights that learn."""
    accelerator.register_save_state_pre_hook(_save_trained)
    accelerator.register_load_state_pre_hook(_load_trained)


def save(accelerator: Accelerator, run: Path, step: int) -> None:
    """A checkpoint of this step; the oldest of KEPT goes. It counts once its digests are written."""
    check_folder(run)
    accelerator.project_configuration.iteration = step
    folder = run / FOLDER / f"{PREFIX}{step}"
    with saving(folder):
        accelerator.save_state()
        digests = {path.name: _digest(path) for path in _files(folder)}
    write_atomically(folder / WHOLE, json.dumps(digests, indent=1).encode())
    sync_names(folder.parent)


def check_folder(run: Path) -> None:
    """ValueError where something else lies among a run's checkpoints; what a system put there is removed."""
    found = (run / FOLDER).iterdir() if (run / FOLDER).is_dir() else ()
    for path in found:
        if path.is_file() and path.name.startswith("."):
            path.unlink()
        elif not path.name.removeprefix(PREFIX).isdigit():
            raise ValueError(f"{quoted(path)} is none of the training's checkpoints; take it away")


def load(accelerator: Accelerator, run: Path) -> int:
    """Go on from the newest whole checkpoint of a run; the step it was made after, 0 where there is none.

    What was cut while it was saved, or changed since, is removed.
    """
    check_folder(run)
    for step in sorted(_steps(run), reverse=True):
        folder = run / FOLDER / f"{PREFIX}{step}"
        if not _is_whole(folder):
            shutil.rmtree(folder)
            continue
        with told(f"{quoted(folder)} is of another version of the libraries; delete it to begin again"):
            accelerator.load_state(str(folder))
        return step
    return 0


def _save_trained(models: list[torch.nn.Module], states: list[Any], folder: str) -> None:
    for number, model in enumerate(models):
        weights = {name: weight.contiguous() for name, weight in _trained(model).items()}
        save_file(weights, _place(folder, number))
    states.clear()


def _load_trained(models: list[torch.nn.Module], folder: str) -> None:
    for number, model in enumerate(models):
        weights = _trained(model)
        for name, value in load_file(_place(folder, number)).items():
            _check_shape(folder, name, weights.get(name), value)
            weights[name].copy_(value)
    models.clear()


def _check_shape(folder: str, name: str, weight: torch.Tensor | None, value: torch.Tensor) -> None:
    there, here = (list(each.shape) if each is not None else None for each in (value, weight))
    if there != here:
        raise Unreadable(
            f"{quoted(folder)} has {quoted(name)} of shape {there} instead of {here}, so that teacher or features are "
            "of another width by now; put back those that it was begun with, or choose another folder"
        )


def _trained(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: weight.detach() for name, weight in model.named_parameters() if weight.requires_grad}


def _place(folder: str, number: int) -> Path:
    return Path(folder) / f"trained_{number}.safetensors"


def _steps(run: Path) -> Iterator[int]:
    for path in (run / FOLDER).glob(f"{PREFIX}*"):
        number = path.name.removeprefix(PREFIX)
        if number.isdigit():
            yield int(number)


def _is_whole(folder: Path) -> bool:
    try:
        digests = read_json(folder / WHOLE, "cut")
        return digests == {path.name: _digest(path) for path in _files(folder)}
    except (Unreadable, OSError):
        return False


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name != WHOLE and not path.name.startswith("."))


def _digest(path: Path) -> str:
    """Of a file's bytes, once they are on disk."""
    found = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            found.update(block)
    return found.hexdigest()
