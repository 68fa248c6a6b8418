"""Estimators saved by torch.save, turned into safetensors once."""

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from ..files import replacing
from ..quoting import quoted
from . import kind_of
from .weights import SAFETENSORS, read


def convert(source: Path, target: Path | None = None) -> Path:
    """Write the weights of `source` bit for bit to `target` (beside it where none is given); returns where.

    The metadata keeps the source's name and SHA-256. ValueError where the source is no estimator or the target would
    replace a file; FileNotFoundError without the source.
    """
    target = target or source.with_suffix(SAFETENSORS)
    if target.suffix != SAFETENSORS:
        raise ValueError(f"{quoted(target)} does not end in {SAFETENSORS}; name the new file so")
    if target.exists():
        raise ValueError(f"{quoted(target)} is there already; move it away, or name another file with --out")
    state, metadata = read(source)
    kind_of(source)
    origin = {"source": source.name, "source_sha256": _sha256(source)}
    whole = {key: value.clone(memory_format=torch.contiguous_format) for key, value in state.items()}
    with replacing(target) as partial:
        _save(whole, partial, {**metadata, **origin})
    return target


def _save(state: dict[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> None:
    """OSError where the disk refuses it, which the library has an error of its own for."""
    try:
        save_file(state, path, metadata)
    except SafetensorError as error:
        raise OSError(f"{error}") from error


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
