"""A run: a folder of images with a line for each in images.jsonl, which goes on wherever it was stopped."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from PIL import Image

from ..files import append_lines, keep_lines, sweep, whole_lines, write_atomically
from ..prompts import MOST_PROMPTS, continues

FORMAT = "adaptive-diffusion run"
VERSION = 1
RECORDS, ABOUT, LOCK = "images.jsonl", "run.json", ".lock"
DIGITS = len(str(MOST_PROMPTS - 1))
Record = dict[str, Any]


class Run:
    """A run that this process alone may go on with; see `opened`.

    records: of the images that are drawn and on disk, in the prompts' order; whole batches only.
    """

    def __init__(self, folder: Path, total: int, batch: int):
        self.folder, self.total, self.batch = folder, total, batch
        lines = whole_lines(folder / RECORDS)
        if len(lines) != total:
            lines = lines[: len(lines) // batch * batch]
        self.records = _parsed(folder, lines)
        keep_lines(folder / RECORDS, lines)
        _sweep_images(folder, self.records)

    @property
    def complete(self) -> bool:
        return len(self.records) == self.total

    def add(self, images: Sequence[Image.Image], records: Sequence[Record]) -> None:
        """Keep the next batch: first the images, each under its record's name, then the records."""
        for image, record in zip(images, records, strict=True):
            write_atomically(self.folder / record["image"], _png(image))
        append_lines(self.folder / RECORDS, [json.dumps(record, ensure_ascii=False).encode() for record in records])
        self.records += records


@contextmanager
def opened(folder: Path, about: Mapping[str, Any], prompts: Sequence[str], batch: int) -> Iterator[Run]:
    """The run in `folder`, begun now or gone on with; ValueError where it is another, damaged or being written.

    about: what must be the same for a run to go on where another stopped, as JSON; but `prompts` may begin with those
    of the other, which are then `described` there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / LOCK, timeout=0):
            _check_about(folder, json.loads(json.dumps({"format": FORMAT, "version": VERSION, **about})), prompts)
            sweep(folder)
            yield Run(folder, len(prompts), batch)
    except Timeout:
        raise ValueError(f"another process is writing to '{folder}'; wait for it, or choose another folder") from None


def image_name(index: int) -> str:
    return f"{index:0{DIGITS}d}.png"


def read(folder: Path) -> list[Record]:
    """The records of a run, finished or not, in its prompts' order; ValueError where they are damaged."""
    return _parsed(folder, whole_lines(folder / RECORDS))


def _sweep_images(folder: Path, records: Sequence[Record]) -> None:
    """Remove the images of a batch that was stopped before its records were written: it is drawn again."""
    recorded = {record["image"] for record in records}
    for path in folder.glob(f"{'[0-9]' * DIGITS}.png"):
        if path.name not in recorded:
            path.unlink()


def _check_about(folder: Path, about: dict[str, Any], prompts: Sequence[str]) -> None:
    """Begin a run, or compare it with the one that has records already."""
    path = folder / ABOUT
    if not path.exists() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
        raise ValueError(f"'{folder}' holds files of something else; choose another folder")
    found = _object(path) if whole_lines(folder / RECORDS) else about
    grown = continues(prompts, about["prompts"]["seed"], found.get("prompts"))
    for key in about:
        if found.get(key) != about[key] and not (grown and key == "prompts"):
            raise ValueError(
                f"the run in '{folder}' has {key} {found.get(key)!r} instead of {about[key]!r}; "
                "choose another folder, or the same settings to go on with it"
            )
    if found is about or found["prompts"] != about["prompts"]:
        write_atomically(path, json.dumps(about, indent=1).encode() + b"\n")


def _object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise ValueError(f"'{path}' is damaged; choose another folder")
    return content


def _parsed(folder: Path, lines: Sequence[bytes]) -> list[Record]:
    try:
        records = [json.loads(line) for line in lines]
        if [record["index"] for record in records] == list(range(len(records))):
            return records
    except (ValueError, TypeError, KeyError):
        pass
    raise ValueError(f"{RECORDS} in '{folder}' is damaged; choose another folder to draw its images again")


def _png(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()
