"""Opening weight files without running anything that lies in them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..quoting import quoted
from ..reading import Unreadable, reading
from ..tensors import opened
from .pickled import Foreign, Pairs, Tensor
from .saved import listing

SAFETENSORS = ".safetensors"
EXTENSIONS = (SAFETENSORS, ".pt", ".pth", ".bin")
Shapes = Mapping[str, tuple[int, ...]]
State = Mapping[str, torch.Tensor]


def read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The tensors of a weight file by name, and its metadata (empty for files of torch.save).

    FileNotFoundError without the file; ValueError where it is damaged or holds anything but tensors.
    """
    if path.suffix != SAFETENSORS:
        return _of_torch(path), {}
    with _opened(path) as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118


def shapes(path: Path) -> Shapes:
    """The shapes of a weight file's tensors by name, without reading its weights."""
    if path.suffix != SAFETENSORS:
        return {key: tensor.shape for key, tensor in _listed(path).items()}
    with _opened(path) as file:
        return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118


def tensor(path: Path, name: str) -> torch.Tensor:
    """One tensor of a weight file, without reading the others of a safetensors file."""
    if path.suffix != SAFETENSORS:
        return _of_torch(path)[name]
    with _opened(path) as file:
        return file.get_tensor(name)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A safetensors file, whatever fails in it told as its damage."""
    _check_there(path)
    with opened(path, f"{quoted(path.name)} is not a whole safetensors file; download it again", "pt") as file:
        yield file


def _of_torch(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file of torch.save, which is opened once it is known to hold nothing else."""
    _listed(path)
    with _reading(path), path.open("rb") as file:
        zipped = file.read(1) == b"P"
        return _state(torch.load(path, map_location="cpu", weights_only=True, mmap=zipped))


def _listed(path: Path) -> dict[str, Tensor]:
    """The tensors of a file of torch.save by name, as its pickle describes them."""
    _check_there(path)
    with _reading(path):
        saved = listing(path)
        state = _state(dict(saved)) if type(saved) is Pairs else saved
        if type(state) is not dict or not all(type(key) is str and type(state[key]) is Tensor for key in state):
            raise Unreadable(
                f"{quoted(path.name)} holds something else than weights by name; use the estimator's state dict"
            )
        return state


def _state(saved: dict[Any, Any]) -> Any:
    """A checkpoint's weights among what else it holds."""
    found = saved.get("state_dict", saved)
    return dict(found) if isinstance(found, (dict, Pairs)) else found


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    with reading(path, f"{quoted(path.name)} is not a whole file of weights; download it again"):
        try:
            yield
        except Foreign:
            raise Unreadable(
                f"{quoted(path.name)} holds more than weights and was not opened; use a safetensors file"
            ) from None


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"there is no weight file {quoted(path)}")
