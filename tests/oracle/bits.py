"""Random numbers that are the same on every machine: raw PCG64 bits, the only stream that numpy guarantees."""

import hashlib

import numpy


def random_bytes(name: str, shape: tuple[int, ...]) -> numpy.ndarray:
    """uint8 values 0..255, a stream of their own for each name."""
    count = numpy.prod(shape, dtype=int)
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    words = numpy.random.PCG64(seed).random_raw(-(-count // 8)).astype("<u8")
    return words.view(numpy.uint8)[:count].reshape(shape)


def uniform(name: str, shape: tuple[int, ...]) -> numpy.ndarray:
    """float32 values of mean 0 and deviation 1, exact in every bit."""
    whole = random_bytes(name, (*shape, 4)).view("<u4")[..., 0] >> 8
    return ((whole.astype(numpy.float32) + 0.5) * 2.0**-24 - 0.5) * numpy.float32(12**0.5)
