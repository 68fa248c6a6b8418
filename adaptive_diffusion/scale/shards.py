"""A unit's file: a tar of its pictures, records and prompts, such as WebDataset reads.

Of picture 768: 000000768.png, 000000768.json (its record) and 000000768.txt (its prompt).
"""

import io
import json
import re
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..quoting import quoted
from ..reading import Unreadable, parse_json, told
from ..standalone.runs import Record

_NAME = re.compile(r"unit-(\d{9,})\.tar")
_FAILED = re.compile(r"unit-(\d{9,})\.failed\.json")
RUN = "__run__"


@dataclass(frozen=True)
class Shard:
    """run: letters that differ for other runs. pictures: PNG files, one for each record."""

    run: str
    records: tuple[Record, ...]
    pictures: tuple[bytes, ...]


def shard_name(unit: int) -> str:
    return f"unit-{unit:09d}.tar"


def failed_name(unit: int) -> str:
    return f"unit-{unit:09d}.failed.json"


def units_in(names: set[str]) -> set[int]:
    """The units whose files are among these names."""
    return {int(found[1]) for found in map(_NAME.fullmatch, names) if found}


def failed_in(names: set[str]) -> set[int]:
    """The units that are recorded as failed among these names."""
    return {int(found[1]) for found in map(_FAILED.fullmatch, names) if found}


def packed(shard: Shard) -> bytes:
    """The file of a shard. Equal shards have equal bytes, whenever and wherever they are packed."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        if shard.run:
            add(tar, RUN, shard.run.encode())
        for record, picture in zip(shard.records, shard.pictures, strict=True):
            add_picture(tar, record, picture)
    return data.getvalue()


def add_picture(tar: tarfile.TarFile, record: Record, picture: bytes) -> None:
    """Add a picture with its record and its prompt."""
    key = f"{record['index']:09d}"
    add(tar, f"{key}.png", picture)
    add(tar, f"{key}.json", json.dumps(record, ensure_ascii=False).encode())
    add(tar, f"{key}.txt", record["prompt"].encode())


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add a file of these bytes, of no owner and of no time."""
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))


def unpacked(data: bytes, name: str) -> Shard:
    """The shard in a file; Unreadable, which calls it `name`, where it is none or cut."""
    damaged = f"{quoted(name)} is no whole file of a unit; delete it and draw it again"
    with told(damaged), tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        found = {entry.name: _bytes(tar, entry, damaged) for entry in tar}
        if not data.endswith(bytes(2 * tarfile.BLOCKSIZE)):
            raise Unreadable(damaged)
        keys = [key.removesuffix(".json") for key in found if key.endswith(".json")]
        records = tuple(parse_json(found[f"{key}.json"]) for key in keys)
        return Shard(found[RUN].decode(), records, tuple(found[f"{key}.png"] for key in keys))


def _bytes(tar: tarfile.TarFile, entry: tarfile.TarInfo, damaged: str) -> bytes:
    file = tar.extractfile(entry)
    data = file.read() if file else b""
    if len(data) != entry.size:
        raise Unreadable(damaged)
    return data


def numbers(records: Sequence[Any]) -> list[int]:
    """The pictures' numbers."""
    return [record["index"] for record in records]
