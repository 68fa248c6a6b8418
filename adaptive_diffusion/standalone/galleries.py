"""Images to be judged: those of a run, or of any folder."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy
import torch
from PIL import Image

from . import runs

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp")
BATCH = 16


@dataclass(frozen=True)
class Gallery:
    """Image files in order. prompts: one for each, or none where they are not known. records: those of a run."""

    name: str
    images: tuple[Path, ...]
    prompts: tuple[str, ...] = ()
    records: tuple[runs.Record, ...] = ()


def open_gallery(folder: Path, prompts: Sequence[str] = ()) -> Gallery:
    """A run's images, or all images of a folder by name; ValueError without any, or with another number of prompts."""
    if (folder / runs.RECORDS).is_file():
        records = runs.read(folder)
        images = [folder / record["image"] for record in records]
        prompts = [record["prompt"] for record in records]
    else:
        records = []
        images = sorted(path for path in folder.glob("*") if path.suffix.lower() in EXTENSIONS)
    if not images:
        raise ValueError(f"there are no images in '{folder}'; name a folder of {', '.join(EXTENSIONS)} files or a run")
    if prompts and len(prompts) != len(images):
        raise ValueError(f"{len(prompts)} prompts came for the {len(images)} images of '{folder}'; give one for each")
    return Gallery(str(folder), tuple(images), tuple(prompts), tuple(records))


def read_batches(images: Sequence[Path]) -> Iterator[torch.Tensor]:
    """The images in order, as (B, H, W, 3) uint8; a batch ends where another size begins."""
    for _, alike in groupby(images, _size):
        same = list(alike)
        for start in range(0, len(same), BATCH):
            yield torch.stack([_pixels(path) for path in same[start : start + BATCH]])


def _size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def _pixels(path: Path) -> torch.Tensor:
    with Image.open(path) as image:
        return torch.from_numpy(numpy.array(image.convert("RGB")))
