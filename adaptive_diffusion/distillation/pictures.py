"""A picture of a student that learns: a row of the same prompts after every so many steps."""

import io
from pathlib import Path

import numpy
from PIL import Image

from ..files import write_atomically

FOLDER, WHOLE = "pictures", "learning.png"
SIDE = 128


def keep(run: Path, step: int, images: numpy.ndarray) -> None:
    """Add the row of this step, images (N, H, W, 3) uint8, and write all rows of the run below each other.

    The row comes last, so that where it is, they all are.
    """
    row = Image.fromarray(numpy.concatenate(list(images), axis=1))
    row = row.resize((SIDE * len(images), round(SIDE * row.height * len(images) / row.width)))
    others = [path for path in sorted((run / FOLDER).glob("[0-9]*.png")) if path != _place(run, step)]
    rows = [*map(Image.open, others), row]
    whole = Image.new("RGB", (row.width, sum(each.height for each in rows)))
    top = 0
    for each in rows:
        whole.paste(each, (0, top))
        top += each.height
    write_atomically(run / WHOLE, _png(whole))
    write_atomically(_place(run, step), _png(row))


def has(run: Path, step: int) -> bool:
    """Whether the row of this step is there."""
    return _place(run, step).exists()


def _place(run: Path, step: int) -> Path:
    return run / FOLDER / f"{step:07}.png"


def _png(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()
