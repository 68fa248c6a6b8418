"""The layouts in which torch.save writes, told apart and checked for being whole without reading any weight.

A zip archive, and before torch 1.6 pickles followed by the storages; of today's the pickle and every storage lie
uncompressed (https://docs.pytorch.org/docs/stable/notes/serialization.html).
"""

import io
import struct
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

from ..quoting import quoted
from .pickled import Pickle, Storage

MOST_BYTES = 16 * 2**20
MOST_LISTED = 4 * 2**20
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_ZIP = b"PK\x03\x04"
_LOCAL = struct.Struct("<4s22xHH")
_COUNT = struct.Struct("<q")


def listing(path: Path) -> Any:
    """What the file holds: plain values, `Pairs` for dictionaries and `Tensor` for tensors.

    Foreign where that is more than weights are made of; an error of any kind where the file is not whole.
    """
    with path.open("rb") as file:
        begin = file.read(len(_ZIP))
        file.seek(0)
        return _of_archive(file) if begin == _ZIP else _of_stream(file)


def _of_archive(file: BinaryIO) -> Any:
    entries = zipfile.ZipFile(_Sparing(file)).infolist()
    records = {entry.filename: entry for entry in entries}
    [name] = [name for name in records if name.endswith("/data.pkl")]
    start = _start(file, records[name])
    if len(records) < len(entries) or records[name].file_size > MOST_BYTES:
        raise ValueError("one name for two records, or a pickle that is too long")
    file.seek(start)
    pickle = Pickle(io.BytesIO(file.read(records[name].file_size)))
    folder = name.removesuffix("data.pkl")
    for key, storage in pickle.storages.items():
        _check_record(file, records[f"{folder}data/{key}"], storage)
    return pickle.value


class _Sparing:
    """A file of which nobody reads much at once: the list of an archive's records is to be short."""

    def __init__(self, file: BinaryIO):
        self.seek, self.tell, self._read = file.seek, file.tell, file.read

    def read(self, size: int = MOST_LISTED) -> bytes:
        if size > MOST_LISTED:
            raise ValueError("too many records")
        return self._read(size)


def _start(file: BinaryIO, record: zipfile.ZipInfo) -> int:
    """Where the content of a record begins; ValueError where it is compressed, or is not there."""
    file.seek(record.header_offset)
    magic, name, extra = _LOCAL.unpack(file.read(_LOCAL.size))
    begins = magic == _ZIP and file.read(name) == record.filename.encode()
    if not begins or record.compress_type != zipfile.ZIP_STORED or record.file_size != record.compress_size:
        raise ValueError(f"the record {quoted(record.filename)} is not there as it was saved")
    return record.header_offset + _LOCAL.size + name + extra


def _check_record(file: BinaryIO, record: zipfile.ZipInfo, storage: Storage) -> None:
    end = _start(file, record) + record.file_size
    if record.file_size != storage.items * storage.size or end > file.seek(0, io.SEEK_END):
        raise ValueError(f"the record {quoted(record.filename)} has another length")


def _of_stream(file: BinaryIO) -> Any:
    head = io.BytesIO(file.read(MOST_BYTES))
    magic, protocol, _, pickle, keys = (Pickle(head) for _ in range(5))
    if (magic.value, protocol.value) != (MAGIC, PROTOCOL):
        raise ValueError("not begun by torch.save")
    if sorted(keys.value) != sorted(pickle.storages):
        raise ValueError("other storages than its tensors lie in")
    _check_storages(file, head.tell(), [pickle.storages[key] for key in keys.value])
    return pickle.value


def _check_storages(file: BinaryIO, start: int, storages: list[Storage]) -> None:
    """ValueError unless the storages lie one after the other from `start` on, each behind its length."""
    for storage in storages:
        file.seek(start)
        if _COUNT.unpack(file.read(_COUNT.size)) != (storage.items,):
            raise ValueError(f"the storage {quoted(storage.key)} has another length")
        start += _COUNT.size + storage.items * storage.size
    if start > file.seek(0, io.SEEK_END):
        raise ValueError("the last storages are not there")
