"""Files as downloads, disks and strangers leave them: cut, with other bytes, spliced, or of no kind at all."""

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

DEEDS = {
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.mkdir",
    "subprocess.Popen",
    "socket.connect",
    "pickle.find_class",
}
_watching: list[list[str]] = []


def cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def flipped(data: bytes, chance: random.Random) -> bytes:
    """Some bytes are others; half the time in the first kilobyte, where most of what is read first lies."""
    changed, most = bytearray(data), chance.choice((len(data), min(len(data), 1024)))
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        changed[chance.randrange(most)] = chance.choice((0, 255, chance.randrange(256)))
    return bytes(changed)


def spliced(data: bytes, chance: random.Random) -> bytes:
    """A part of the file stands where another did, is there twice or is gone."""
    start, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    place = chance.randrange(len(data) + 1)
    return chance.choice(
        (data[:place] + data[start:end] + data[place:], data[:start] + data[end:], data[end:] + data[:start])
    )


def noise(data: bytes, chance: random.Random) -> bytes:
    """Random bytes, half the time behind the file's own first ones."""
    return data[: chance.choice((0, 4, 16, 200))] + chance.randbytes(chance.randrange(2000))


KINDS: tuple[Callable[[bytes, random.Random], bytes], ...] = (cut, flipped, spliced, noise)


def damaged(data: bytes, number: int) -> bytes:
    """Case `number`: always the same one. Every fourth is of one kind."""
    chance = random.Random(number)
    return KINDS[number % len(KINDS)](data, chance)


@contextmanager
def no_deeds() -> Iterator[None]:
    """AssertionError where a program, a connection or a pickle's function is begun within."""
    if not _watching:
        sys.addaudithook(_note)
    found: list[str] = []
    _watching.append(found)
    try:
        yield
    finally:
        _watching[-1] = []
    assert found == []


def _note(event: str, arguments: tuple) -> None:
    if event in DEEDS:
        _watching[-1].append(f"{event} {arguments}")
