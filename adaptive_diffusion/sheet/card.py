"""One image of a sheet: its verdict, the student's picture and the final one with their scores, its prompt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy
from PIL import Image, ImageDraw

from ..gate.outcome import ACCEPTED, FAILED
from ..images import on_white
from .fonts import main_font
from .style import (
    AMBER,
    BODY_SIZE,
    CARD,
    EDGE,
    GAP,
    GREEN,
    GREY,
    INK,
    PADDING,
    PILL_HEIGHT,
    RADIUS,
    RED,
    SMALL_SIZE,
    Format,
    line_height,
)
from .text import Text, wrapped, write

CAPTION_LINES = 3
KEPT, TO_TEACHER = ("kept", GREEN, "#d3f5dc"), ("to teacher", AMBER, "#ffe3c7")
TEACHER_FAILED = (FAILED, RED, "#ffd6d6")


@dataclass(frozen=True)
class SheetRow:
    """One image of a contact sheet.

    student, final: a PIL image or an array (H, W, 3), uint8 or floats in 0..1. final: what came out, the student's
    own image where it was kept. final_score: the final image's, None where it was not scored. failed: whether the
    teacher made nothing of a rejected one. reasons: the checks that the student's image failed. risk: 0..1, that the
    teacher's image is better; None where no learned gate decided.
    """

    prompt: str
    student: Any
    score: float
    rejected: bool
    final: Any
    final_score: float | None = None
    failed: bool = False
    reasons: Sequence[str] = ()
    risk: float | None = None

    @property
    def pill(self) -> tuple[str, str, str]:
        """Its verdict with the risk it rests on, and the colours of the letters and of what is behind them."""
        text, ink, fill = TEACHER_FAILED if self.failed else TO_TEACHER if self.rejected else KEPT
        return (text if self.risk is None else f"{text}, risk {self.risk:.0%}", ink, fill)


def sheet_row(entry: Mapping[str, Any], student: Any, final: Any) -> SheetRow:
    """The row of a record's entry (see report.py) and both pictures."""
    rejected, failed = entry["verdict"] != ACCEPTED, entry["verdict"] == FAILED
    told = (rejected, final, entry["final_score"], failed, entry.get("reasons", ()), entry.get("risk"))
    return SheetRow(entry["prompt"], student, entry["score"], *told)


@dataclass(frozen=True)
class Card:
    """A row and its number, to be drawn. Pictures are made small only while they are drawn."""

    number: int
    row: SheetRow
    format: Format

    @cached_property
    def caption(self) -> Text:
        return wrapped(self.row.prompt, BODY_SIZE, self.format.text_width, CAPTION_LINES)

    @cached_property
    def reasons(self) -> Text:
        told = f"failed: {', '.join(self.row.reasons)}" if self.row.reasons else ""
        return wrapped(told, BODY_SIZE, self.format.text_width, CAPTION_LINES)

    @cached_property
    def panel_height(self) -> int:
        return max(self._fitting(picture)[1] for picture in (self.row.student, self.row.final))

    @property
    def height(self) -> int:
        texts = sum(text.height + GAP for text in (self.caption, self.reasons) if text.lines)
        return PADDING * 2 + PILL_HEIGHT + GAP + self.panel_height + GAP // 2 + line_height(SMALL_SIZE) + texts

    def draw(self, page: Image.Image, x: int, y: int, height: int) -> None:
        edges = (x, y, x + self.format.card_width - 1, y + height - 1)
        ImageDraw.Draw(page).rounded_rectangle(edges, RADIUS, CARD, EDGE)
        left, right, top = x + PADDING, x + PADDING + self.format.text_width, y + PADDING
        _draw_pill(page, left, top, self.row.pill)
        write(page, right, top + PILL_HEIGHT // 2, f"#{self.number}", SMALL_SIZE, GREY, "rm")
        top += PILL_HEIGHT + GAP
        self._draw_panel(page, left, top, "student", self.row.student, self.row.score, INK)
        score, colour = _final_score(self.row)
        self._draw_panel(page, left + self.format.panel + GAP, top, "final", self.row.final, score, colour)
        top += self.panel_height + GAP // 2 + line_height(SMALL_SIZE) + GAP
        self.caption.draw(page, left, top, INK)
        self.reasons.draw(page, left, top + (self.caption.height + GAP if self.caption.lines else 0), AMBER)

    def _draw_panel(
        self, page: Image.Image, x: int, y: int, name: str, picture: Any, score: float | None, colour: str
    ) -> None:
        small = as_image(picture).resize(self._fitting(picture), Image.Resampling.LANCZOS)
        left, top = x + (self.format.panel - small.width) // 2, y + (self.panel_height - small.height) // 2
        ImageDraw.Draw(page).rectangle((left - 1, top - 1, left + small.width, top + small.height), outline=EDGE)
        page.paste(small, (left, top))
        below = y + self.panel_height + GAP // 2
        write(page, x, below, name if score is None else f"{name} score", SMALL_SIZE, GREY)
        if score is not None:
            write(page, x + self.format.panel, below, f"{score:.2f}", SMALL_SIZE, colour, "ra")

    def _fitting(self, picture: Any) -> tuple[int, int]:
        """The picture's size scaled into a panel, its aspect kept."""
        width, height = _size(picture)
        scale = self.format.panel / max(width, height)
        return (max(1, round(width * scale)), max(1, round(height * scale)))


def as_image(picture: Any) -> Image.Image:
    """A PIL image, or an array (H, W, 3 or 4), uint8 or floats in 0..1, as an RGB image; transparency shows white."""
    if isinstance(picture, Image.Image):
        return on_white(picture)
    array = numpy.asarray(picture)
    if array.dtype != numpy.uint8:
        array = (array.clip(0, 1) * 255).round().astype(numpy.uint8)
    return on_white(Image.fromarray(numpy.ascontiguousarray(array)))


def _size(picture: Any) -> tuple[int, int]:
    """Width and height."""
    return picture.size if isinstance(picture, Image.Image) else picture.shape[1::-1]


def _final_score(row: SheetRow) -> tuple[float | None, str]:
    """The final image's score and its colour: green where it rose, amber where it fell."""
    if not row.rejected or row.failed:
        return row.score, INK
    if row.final_score is None:
        return None, INK
    return row.final_score, GREEN if row.final_score > row.score else AMBER


def _draw_pill(page: Image.Image, x: int, y: int, pill: tuple[str, str, str]) -> None:
    text, ink, fill = pill
    width = round(main_font(SMALL_SIZE).getlength(text)) + PILL_HEIGHT
    ImageDraw.Draw(page).rounded_rectangle((x, y, x + width, y + PILL_HEIGHT), PILL_HEIGHT // 2, fill)
    write(page, x + width // 2, y + PILL_HEIGHT // 2, text, SMALL_SIZE, ink, "mm")
