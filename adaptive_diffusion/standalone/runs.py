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
from ..parts import parts
from ..prompts import MOST_PROMPTS, continues
from ..quoting import quoted
from ..reading import Unreadable, parse_json, read_json, told

FORMAT = "adaptive-diffusion run"
VERSION = 1
RECORDS, ABOUT, LOCK = "images.jsonl", "run.json", ".lock"
UNIT = 64
DIGITS = len(str(MOST_PROMPTS - 1))
Record = dict[str, Any]
_BEGIN, _END = b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\xaeB`\x82"


class Run:
    """A run that this process alone may go on with; see `opened`.

    unit: how many images are drawn and kept together. Which ones follows from their numbers alone, so that neither an
    interruption nor another process changes an image.
    records: of the images that were drawn, in the prompts' order; whole units only.
    lost: files of images that have a record, and are gone or cut.
    """

    def __init__(self, folder: Path, total: int, unit: int):
        self.folder, self.total, self.unit = folder, total, unit
        lines = whole_lines(folder / RECORDS)
        if len(lines) != total:
            lines = lines[: len(lines) // unit * unit]
        self.records = _parsed(folder, lines)
        keep_lines(folder / RECORDS, lines)
        _sweep_images(folder, self.records)
        self.lost = {record["image"] for record in self.records if not _is_whole(folder / record["image"])}

    @property
    def missing(self) -> int:
        """How many images are still to be drawn."""
        return self.total - len(self.records) + len(self.lost)

    @property
    def units(self) -> list[slice]:
        """The units of prompts that are still to be drawn: those with a lost image are drawn as they were."""
        every = parts(self.total, self.unit)
        return [rows for rows in every if rows.stop > len(self.records) or self._lost_among(self.records[rows])]

    def add(self, pictures: Sequence[bytes], records: Sequence[Record]) -> Sequence[Record]:
        """Keep one of the `units`; the records of those images that were not there yet.

        pictures: their PNG files, which come first, each under its record's name, then the records of a unit that has
        none.
        """
        known = self.records[records[0]["index"] :][: len(records)]
        if known:
            _check_same(known, records)
        elif self.records and not (self.folder / RECORDS).is_file():
            raise ValueError(f"the run in {quoted(self.folder)} was removed while it was drawn; give the command again")
        fresh = self._lost_among(known) if known else records
        drawn = {record["image"]: picture for picture, record in zip(pictures, records, strict=True)}
        write_together(self.folder, {record["image"]: drawn[record["image"]] for record in fresh})
        if not known:
            lines = [json.dumps(record, ensure_ascii=False).encode() for record in records]
            append_lines(self.folder / RECORDS, lines)
            self.records += records
        self.lost -= {record["image"] for record in fresh}
        return fresh

    def _lost_among(self, records: Sequence[Record]) -> list[Record]:
        return [record for record in records if record["image"] in self.lost]


@contextmanager
def opened(folder: Path, about: Mapping[str, Any], prompts: Sequence[str], unit: int | None = None) -> Iterator[Run]:
    """The run in `folder`, begun now or gone on with; ValueError where it is another, damaged or being written.

    about: what must be the same for a run to go on where another stopped, as JSON; but `prompts` may begin with those
    of the other, which are then `described` there.
    unit: how many images are drawn together; None for as many as in the run that is there, or UNIT in a new one.
    """
    busy = f"another process is writing to {quoted(folder)}; wait for it, or choose another folder"
    with held(folder / LOCK, busy):
        found = _found(folder)
        unit = unit or (_unit_of(found) if found else UNIT)
        _check_about(folder, found, as_json({"format": FORMAT, "version": VERSION, **about, "unit": unit}), prompts)
        sweep(folder)
        yield Run(folder, about["prompts"]["count"], unit)


def as_json(value: Any) -> Any:
    """The value as it is once it was written as JSON and read."""
    return json.loads(json.dumps(value))


def image_name(index: int) -> str:
    return f"{index:0{DIGITS}d}.png"


def read(folder: Path) -> list[Record]:
    """The records of a run, finished or not, in its prompts' order; ValueError where they are damaged."""
    return _parsed(folder, whole_lines(folder / RECORDS))


def _sweep_images(folder: Path, records: Sequence[Record]) -> None:
    """Remove the images of a unit that was stopped before its records were written: it is drawn again."""
    recorded = {record["image"] for record in records}
    for path in folder.glob(f"{'[0-9]' * DIGITS}*.png"):
        if path.stem.isdigit() and path.name not in recorded:
            path.unlink()


def _found(folder: Path) -> dict[str, Any] | None:
    """What run.json says of a run that has records already."""
    return _object(folder / ABOUT) if whole_lines(folder / RECORDS) else None


def _unit_of(about: Mapping[str, Any]) -> Any:
    """The unit of a run; those that do not tell it were drawn batch by batch."""
    return about.get("unit", about.get("batch"))


def _check_about(folder: Path, found: dict[str, Any] | None, about: dict[str, Any], prompts: Sequence[str]) -> None:
    """Begin a run, or compare it with the one that is `found`."""
    path = folder / ABOUT
    if not path.exists() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
        raise ValueError(f"{quoted(folder)} holds files of something else; choose another folder")
    if path.exists() and (kind := _object(path).get("format")) != FORMAT:
        raise ValueError(f"{quoted(folder)} holds {quoted(kind)}; choose another folder for images")
    if found:
        check_same_run(f"the run in {quoted(folder)}", {**found, "unit": _unit_of(found)}, about, prompts)
    if found is None or found["prompts"] != about["prompts"]:
        write_atomically(path, json.dumps(about, indent=1).encode() + b"\n")


def check_same_run(name: str, found: Mapping[str, Any], about: Mapping[str, Any], prompts: Sequence[str]) -> None:
    """ValueError, which calls the found run `name`, where it is not the one that `about` says, nor its beginning."""
    grown = continues(prompts, about["prompts"]["seed"], found.get("prompts"))
    for key in about:
        if found.get(key) != about[key] and not (grown and key == "prompts"):
            raise ValueError(
                f"{name} has {key} {quoted(found.get(key))} instead of {quoted(about[key])}; "
                "choose another folder, or the same settings to go on with it"
            )


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
    """ValueError where a unit that is drawn again is not the one on record."""
    for before, now in zip(known, drawn, strict=True):
        same = all(before.get(key) == now.get(key) for key in ("prompt", "seed", "verdict"))
        if not same or not math.isclose(before.get("score", 0), now.get("score", 0), rel_tol=1e-3, abs_tol=1e-3):
            raise ValueError(
                f"{before['image']} is drawn otherwise here than it was (score {now.get('score')} instead of "
                f"{before.get('score')}); draw the run again in another folder"
            )


def png(image: Image.Image) -> bytes:
    """The image's PNG file."""
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()
