"""The pictures that the template browser shows: a run's own picture, or a diagram of who does what."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from .parts import Box

SIZE = (640, 400)
BACKGROUND, LINE, TITLE, TEXT = "#1c1d22", "#7d8590", "#ffffff", "#c8ccd2"
FILLS = {"Student": "#3d6b4a", "Judge": "#7a5f1e", "Teacher": "#2d5a7c"}
OTHER = "#4a4d57"
TITLE_FONT, TEXT_FONT = ImageFont.load_default(24), ImageFont.load_default(19)
MARGIN, ARROW, HEIGHT = 20, 26, 190


def of_picture(picture: Path, path: Path) -> None:
    """A picture of a run, as large as fits."""
    with Image.open(picture) as image:
        fitted = _fit(image.convert("RGB"))
    canvas = Image.new("RGB", SIZE, BACKGROUND)
    canvas.paste(fitted, tuple((whole - part) // 2 for whole, part in zip(SIZE, fitted.size, strict=True)))
    _save(canvas, path)


def _fit(image: Image.Image) -> Image.Image:
    factor = min(whole / part for whole, part in zip(SIZE, image.size, strict=True))
    return image.resize(tuple(round(side * factor) for side in image.size), Image.Resampling.LANCZOS)


def of_card(boxes: Sequence[Box], path: Path) -> None:
    """Boxes from left to right with arrows between them."""
    canvas = Image.new("RGB", SIZE, BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    width = (SIZE[0] - 2 * MARGIN - ARROW * (len(boxes) - 1)) // len(boxes)
    top = (SIZE[1] - HEIGHT) // 2
    for index, box in enumerate(boxes):
        left = MARGIN + index * (width + ARROW)
        if index:
            _arrow(draw, left - ARROW, left, SIZE[1] // 2)
        _box(draw, box, (left, top, left + width, top + HEIGHT))
    _save(canvas, path)


def _arrow(draw: ImageDraw.ImageDraw, start: int, end: int, y: int) -> None:
    draw.line((start + 4, y, end - 4, y), LINE, 3)
    draw.polygon([(end - 4, y), (end - 12, y - 6), (end - 12, y + 6)], LINE)


def _box(draw: ImageDraw.ImageDraw, box: Box, edges: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = edges
    draw.rounded_rectangle(edges, 10, FILLS.get(box.title, OTHER))
    draw.text(((left + right) / 2, top + 34), box.title, TITLE, TITLE_FONT, "mm")
    lines = "\n".join(textwrap.wrap(box.text, (right - left) // 10))
    draw.multiline_text(((left + right) / 2, (top + 60 + bottom) / 2), lines, TEXT, TEXT_FONT, "mm", 6, "center")


def _save(canvas: Image.Image, path: Path) -> None:
    canvas.save(path, quality=88, optimize=True)
