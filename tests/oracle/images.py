"""Images that need not be stored: coloured blocks with some noise on them."""

import numpy

from .bits import random_bytes

BLOCKS = 8
EXACT = [(32, 32)] * 12
RESIZED = [(40, 56), (56, 40), (97, 33), (33, 97), (101, 67), (64, 64), (300, 224), (225, 401)]


def blocks(seed: int, height: int, width: int) -> numpy.ndarray:
    """One image (height, width, 3), uint8: 8 x 8 blocks, three quarters block colour and one quarter noise."""
    rows, columns = (numpy.arange(side) * BLOCKS // side for side in (height, width))
    colours = random_bytes(f"colours {seed}", (BLOCKS, BLOCKS, 3))[rows][:, columns].astype(int)
    noise = random_bytes(f"noise {seed}", (height, width, 3))
    return ((3 * colours + noise) // 4).astype(numpy.uint8)


def exact() -> list[numpy.ndarray]:
    """Images of the tiny network's own size, which are not resized."""
    return [blocks(seed, *size) for seed, size in enumerate(EXACT)]


def resized() -> list[numpy.ndarray]:
    """Images of other sizes."""
    return [blocks(100 + seed, *size) for seed, size in enumerate(RESIZED)]
