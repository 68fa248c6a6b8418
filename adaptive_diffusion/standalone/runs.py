"""A run: a folder of images with a line for each in images.jsonl, which goes on wherever it was stopped."""

import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from ..files import append_lines, keep_lines, sweep, whole_lines, write_atomically, write_together
from ..locks import held
from ..prompts import MOST_PROMPTS, continues
from ..quoting import quoted
from ..reading import Unreadable, parse_json, read_json, told

FORMAT = "adaptive-diffusion run"
VERSION = 1
RECORDS, ABOUT, LOCK = "images.jsonl", "run.json", ".lock"
DIGITS = len(str(MOST_PROMPTS - 1))
Record = dict[str, Any]
_BEGIN, _END = b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\xaeB`\x82"


class Run:
    """A run that this process alone may go on with; see `opened`.

    records: of the images that were drawn, in the prompts' order; whole batches only.
    lost: files of images that have a record, and are gone or cut.
    """

    def __init__(self, folder: Path, total: int, batch: int):
        self.folder, self.total, self.batch = folder, total, batch
        lines = whole_lines(folder / RECORDS)
        if len(lines) != total:
            lines = lines[: len(lines) // batch * batch]
        self.records = _parsed(folder, lines)
        keep_lines(folder / RECORDS, lines)
        _sweep_images(folder, self.records)
        self.lost = {record["image"] for record in self.records if not _is_whole(folder / record["image"])}

    @property
    def missing(self) -> int:
        """How many images are still to be drawn."""
        return self.total - len(self.records) + len(self.lost)

    @property
    def batches(self) -> list[slice]:
        """The batches of prompts that are still to be drawn: those with a lost image are drawn as they were."""
        every = [slice(first, min(first + self.batch, self.total)) for first in range(0, self.total, self.batch)]
        return [rows for rows in every if rows.stop > len(self.records) or self._lost_among(self.records[rows])]

    def add(self, images: Sequence[Image.Image], records: Sequence[Record]) -> Sequence[Record]:
        """Keep one of the `batches`; the records of those images that were not there yet.

        First the images, each under its record's name, then the records of a batch that has none.
        """
        known = self.records[records[0]["index"] :][: len(records)]
        if known:
            _check_same(known, records)
        elif self.records and not (self.folder / RECORDS).is_file():
            raise ValueError(f"the run in {quoted(self.folder)} was removed while it was drawn; give the command again")
        fresh = self._lost_among(known) if known else records
        drawn = {record["image"]: image for image, record in zip(images, records, strict=True)}
        write_together(self.folder, {record["image"]: _png(drawn[record["image"]]) for record in fresh})
        if not known:
            lines = [json.dumps(record, ensure_ascii=False).encode() for record in records]
            append_lines(self.folder / RECORDS, lines)
            self.records += records
        self.lost -= {record["image"] for record in fresh}
        return fresh

    def _lost_among(self, records: Sequence[Record]) -> list[Record]:
        return [record for record in records if record["image"] in self.lost]


@contextmanager
def opened(folder: Path, about: Mapping[str, Any], prompts: Sequence[str], batch: int) -> Iterator[Run]:
    """The run in `folder`, begun now or gone on with; ValueError where it is another, damaged or being written.

    about: what must be the same for a run to go on where another stopped, as JSON; but `prompts` may begin with those
    of the other, which are then `described` there.
    """
    busy = f"another process is writing to {quoted(folder)}; wait for it, or choose another folder"
    with held(folder / LOCK, busy):
        _check_about(folder, json.loads(json.dumps({"format": FORMAT, "version": VERSION, **about})), prompts)
        sweep(folder)
        yield Run(folder, len(prompts), batch)


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
        raise ValueError(f"{quoted(folder)} holds files of something else; choose another folder")
    found = _object(path) if whole_lines(folder / RECORDS) else about
    grown = continues(prompts, about["prompts"]["seed"], found.get("prompts"))
    for key in about:
        if found.get(key) != about[key] and not (grown and key == "prompts"):
            raise ValueError(
                f"the run in {quoted(folder)} has {key} {quoted(found.get(key))} instead of {quoted(about[key])}; "
                "choose another folder, or the same settings to go on with it"
            )
    if found is about or found["prompts"] != about["prompts"]:
        write_atomically(path, json.dumps(about, indent=1).encode() + b"\n")


def _object(path: Path) -> dict[str, Any]:
    content = read_json(path, f"{quoted(path)} is damaged; choose another folder")
    if not isinstance(content, dict):
        raise ValueError(f"{quoted(path)} is damaged; choose another folder")
    return content


def _parsed(folder: Path, lines: Sequence[bytes]) -> list[Record]:
    damaged = f"{RECORDS} in {quoted(folder)} is damaged; choose another folder to draw its images again"
    with told(damaged):
        records = [parse_json(line) for line in lines]
        if [(record["index"], record["image"]) for record in records] != [*map(_place, range(len(records)))]:
            raise Unreadable(damaged)
        return records


def _place(index: int) -> tuple[int, str]:
    return index, image_name(index)


def _is_whole(path: Path) -> bool:
    """Whether a file begins and ends as a PNG does."""
    try:
        with path.open("rb") as file:
            begin = file.read(len(_BEGIN))
            file.seek(-len(_END), io.SEEK_END)
            return (begin, file.read()) == (_BEGIN, _END)
    except OSError:
        return False


def _check_same(known: Sequence[Record], drawn: Sequence[Record]) -> None:
    """ValueError where a batch that is drawn again is not the one on record."""
    for before, now in zip(known, drawn, strict=True):
        same = all(before.get(key) == now.get(key) for key in ("prompt", "seed", "verdict"))
        if not same or not math.isclose(before.get("score", 0), now.get("score", 0), rel_tol=1e-3, abs_tol=1e-3):
            raise ValueError(
                f"{before['image']} is drawn otherwise here than it was (score {now.get('score')} instead of "
                f"{before.get('score')}); draw the run again in another folder"
            )


def _png(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()
