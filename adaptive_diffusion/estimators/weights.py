"""Opening weight files without running anything that lies in them."""

import pickle
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

SAFETENSORS = ".safetensors"
EXTENSIONS = (SAFETENSORS, ".pt", ".pth", ".bin")
Shapes = Mapping[str, tuple[int, ...]]


def read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The tensors of a weight file by name, and its metadata (empty for files of torch.save).

    FileNotFoundError without the file; ValueError where it is damaged or holds anything but tensors.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no weight file '{path}'")
    if path.suffix != SAFETENSORS:
        return _unpickled(path), {}
    with _opened(path) as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118


def shapes(path: Path) -> Shapes:
    """The shapes of a weight file's tensors by name, without reading its weights; kept until the file changes."""
    stat = path.stat()
    return _shapes(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=256)
def _shapes(path: Path, changed: int, size: int) -> Shapes:
    if path.suffix != SAFETENSORS:
        return {key: tuple(tensor.shape) for key, tensor in _unpickled(path).items()}
    with _opened(path) as file:
        return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118


def tensor(path: Path, name: str) -> torch.Tensor:
    """One tensor of a weight file, without reading the others of a safetensors file."""
    if path.suffix != SAFETENSORS:
        return _unpickled(path)[name]
    with _opened(path) as file:
        return file.get_tensor(name)


def _opened(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise ValueError(f"'{path.name}' is not a whole safetensors file ({error}); download it again") from None


def _unpickled(path: Path) -> dict[str, torch.Tensor]:
    zipped = zipfile.is_zipfile(path)
    damaged = ValueError(f"'{path.name}' is not a whole file of weights; download it again")
    if not zipped and _begins_as_zip(path):
        raise damaged
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError:
        raise ValueError(f"'{path.name}' holds more than weights and was not opened; use a safetensors file") from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError):
        raise damaged from None
    state = saved.get("state_dict", saved) if isinstance(saved, dict) else saved
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"'{path.name}' holds something else than weights by name; use the estimator's state dict")
    return state


def _begins_as_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"
