"""Images to be judged: those of a run, or of any folder."""

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

import numpy
import torch

from .. import columns
from ..images import read_image
from ..lines import opened
from ..quoting import listed, quoted
from ..reading import reading
from . import runs

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp")
TABLES = ("metadata.csv", "metadata.jsonl")
PAIRS = (("file_name", "text"), ("dir", "text"))
OF_THE_SYSTEM = {"thumbs.db", "desktop.ini"}
BATCH = 16
MOST_CAPTION = 40_000


@dataclass(frozen=True)
class Gallery:
    """Image files in order. prompts: one for each, or none where they are not known. records: those of a run."""

    name: str
    images: tuple[Path, ...]
    prompts: tuple[str, ...] = ()
    records: tuple[runs.Record, ...] = ()

    def part(self, rows: slice) -> "Gallery":
        """These of its images."""
        return Gallery(self.name, self.images[rows], self.prompts[rows], self.records[rows])


def open_gallery(folder: Path, prompts: Sequence[str] = ()) -> Gallery:
    """A run's images with its prompts; or a folder's, in natural order with `prompts`, else as they are paired there.

    Paired by a table, metadata.csv, metadata.jsonl or the folder's only other CSV file, with `file_name` and `text`, or
    `dir` and `text`; or by a NAME.txt beside every NAME.png. ValueError without any images, or with another number of
    prompts.
    """
    records = _records(folder)
    table = None if prompts or records else _table(folder)
    if records:
        images, prompts = _drawn(folder, records), [record["prompt"] for record in records]
    elif table:
        images, prompts = _paired(folder, table)
    else:
        images = image_files(folder)
        prompts = prompts or _captions(folder, images)
    if prompts and len(prompts) != len(images):
        raise ValueError(
            f"{len(prompts)} prompts came for the {len(images)} images of {quoted(folder)}; give one for each"
        )
    return Gallery(str(folder), tuple(images), tuple(prompts), tuple(records))


def image_files(folder: Path) -> list[Path]:
    """A run's images, or a folder's, 2 before 10; ValueError without any. A warning tells what else is passed over."""
    if records := _records(folder):
        return _drawn(folder, records)
    files = _visible(folder)
    images = [path for path in files if path.suffix.lower() in EXTENSIONS]
    if not images:
        raise ValueError(
            f"there are no images in {quoted(folder)}; name a folder of {', '.join(EXTENSIONS)} files or a run"
        )
    others = [path for path in files if path.suffix.lower() not in (*EXTENSIONS, *columns.EXTENSIONS)]
    _tell_passed_over(folder, others, f"are no {', '.join(EXTENSIONS)}")
    return images


def _records(folder: Path) -> list[runs.Record]:
    return runs.read(folder) if (folder / runs.RECORDS).is_file() else []


def _drawn(folder: Path, records: Sequence[runs.Record]) -> list[Path]:
    return [folder / record["image"] for record in records]


def _table(folder: Path) -> Path | None:
    """The table that pairs a folder's images with their prompts; None without one."""
    named = next((folder / name for name in TABLES if (folder / name).is_file()), None)
    others = [path for path in folder.glob("[!.]*.csv") if path.is_file()]
    return named or next((path for path in others if len(others) == 1 and _pairs_images(path)), None)


def _pairs_images(table: Path) -> bool:
    return _names(table) is not None


def _names(table: Path) -> tuple[str, ...] | None:
    """What a table calls images and prompts in its first line; None where it names neither."""
    with opened(table) as lines:
        header = next((line for line in lines if line.strip()), "")
    keys = r"\"([^\"]+)\"\s*:" if table.suffix == ".jsonl" else r"[^,;\t]+"
    found = {name.strip().strip('"') for name in re.findall(keys, header)}
    return next((names for names in PAIRS if {*names} <= found), None)


def _rows(table: Path) -> list[tuple[str, ...]]:
    """A table's pairs of image and prompt, under the names that it has; ValueError where it has neither."""
    return list(columns.read(table, _names(table) or PAIRS[0]))


def _captions(folder: Path, images: Sequence[Path]) -> list[str]:
    """What the text files beside the images say of each; none where no image has one.

    ValueError where only some have one.
    """
    beside = [image.with_suffix(".txt") for image in images]
    lacking = [path.name for path in beside if not path.is_file()]
    if len(lacking) == len(beside):
        return []
    if lacking:
        raise ValueError(f"{quoted(folder)} lacks {listed(lacking)}; write one beside each image, or take all away")
    return [_caption(path) for path in beside]


def _caption(path: Path) -> str:
    if path.stat().st_size > MOST_CAPTION:
        raise ValueError(f"{quoted(path)} has more than {MOST_CAPTION:,} bytes; write what its image shows")
    with reading(path, f"{quoted(path)} is no text in UTF-8; write it anew"):
        return " ".join(path.read_bytes().decode("utf-8-sig").split())


def _paired(folder: Path, table: Path) -> tuple[list[Path], list[str]]:
    """The images and prompts of a table, in its order; ValueError where it is empty."""
    pairs = [(folder / name, prompt) for name, prompt in _rows(table)]
    if not pairs:
        raise ValueError(f"{quoted(table)} names no images; write a line for each, or take it away")
    images, prompts = [image for image, _ in pairs], [prompt for _, prompt in pairs]
    others = [path for path in _visible(folder) if path.suffix.lower() in EXTENSIONS and path not in images]
    _tell_passed_over(folder, others, f"are not in {table.name}")
    return images, prompts


def _visible(folder: Path) -> list[Path]:
    """The files in a folder that a person has put there, 2 before 10."""
    paths = [path for path in folder.glob("[!.]*") if path.name.lower() not in OF_THE_SYSTEM and path.is_file()]
    return sorted(paths, key=_natural)


def _natural(path: Path) -> tuple[list[str | int], str]:
    """What to sort by: numbers in a name by their value, then all of it."""
    parts = re.split(r"(\d+)", path.name.casefold())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], path.name


def _tell_passed_over(folder: Path, files: Sequence[Path], reason: str) -> None:
    if files:
        named = listed(path.name for path in files)
        warnings.warn(f"passed over in {quoted(folder)}, as they {reason}: {named}", stacklevel=2)


def read_batches(images: Sequence[Path]) -> Iterator[torch.Tensor]:
    """The images in order, as (B, H, W, 3) uint8; a batch ends where another size begins."""
    for _, alike in groupby(map(read_image, images), lambda image: image.size):
        while batch := list(islice(alike, BATCH)):
            yield torch.stack([torch.from_numpy(numpy.array(image)) for image in batch])
