"""Files of arrays with a description (safetensors), opened so that one from anywhere costs no more than its bytes."""

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy
import safetensors.numpy
from safetensors import safe_open

from .files import write_atomically
from .quoting import quoted
from .reading import Unreadable, parse_json, reading

MOST_HEADER = 16 * 2**20
MOST_BYTES = 2**30
ABOUT = "about"


@contextmanager
def opened(path: Path, damaged: str, framework: str = "np") -> Iterator[Any]:
    """A safetensors file, whatever fails in it told as `damaged`.

    FileNotFoundError where there is no file; a folder or a pipe is none.
    """
    with reading(path, damaged):
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {quoted(path)}")
        with path.open("rb") as file:
            [header] = struct.unpack("<Q", file.read(8))
        if header > MOST_HEADER:
            raise ValueError("a header that is longer than any")
        with safe_open(path, framework=framework) as file:
            yield file


def description(file: Any) -> dict[str, Any]:
    """What an `opened` file says of itself; ValueError where it says nothing."""
    content = parse_json((file.metadata() or {})[ABOUT].encode())
    if not isinstance(content, dict):
        raise ValueError("no object")
    return content


def check_size(path: Path) -> None:
    """Unreadable where a file has more bytes than `save` writes."""
    if path.is_file() and (size := path.stat().st_size) > MOST_BYTES:
        raise Unreadable(f"{quoted(path.name)} has {size:,} bytes, more than the {MOST_BYTES:,} that are read")


def array(file: Any, name: str, kind: str, shape: Sequence[int | None]) -> numpy.ndarray:
    """An array of an `opened` file; ValueError where its type is another ("F32", "F64", "I64", "U64") or its shape.

    shape: a size for each dimension, None for any.
    """
    stored = file.get_slice(name)
    found = stored.get_shape()
    if stored.get_dtype() != kind or not fits(found, shape):
        raise ValueError(f"{quoted(name)} is {stored.get_dtype()} {found}")
    return file.get_tensor(name)


def fits(found: Sequence[int], shape: Sequence[int | None]) -> bool:
    """Whether an array's shape is `shape`, in which None stands for any size."""
    return len(found) == len(shape) and all(size in (None, here) for size, here in zip(shape, found, strict=True))


def content(arrays: Mapping[str, numpy.ndarray], about: Mapping[str, Any]) -> bytes:
    """The bytes of a file: equal for equal arrays and descriptions. The description is one text, whose parts lie in
    the order of their names, because safetensors keeps none among several.
    """
    text = json.dumps(about, sort_keys=True)
    contiguous = {name: numpy.ascontiguousarray(values) for name, values in arrays.items()}
    return safetensors.numpy.save(contiguous, {ABOUT: text})


def save(path: Path, data: bytes, what: str) -> None:
    """Write a file's `content`; ValueError, which names `what`, where it would be longer than is read."""
    if len(data) > MOST_BYTES:
        raise ValueError(f"{what} would take {len(data):,} bytes, more than the {MOST_BYTES:,} that are read")
    write_atomically(path, data)
