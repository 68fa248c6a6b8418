"""Text in any script, broken into lines in one pass and drawn."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from PIL import Image, ImageDraw

from .fonts import advance, drawable, main_font, runs
from .right_to_left import joined, ordered, starts_right
from .style import line_height

MOST_LINES = 10
_UNSEEN = {"Cc", "Cf"}
_SELECTORS = re.compile("[\ufe00-\ufe0f]")
_WIDE = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uff60"
_CLOSING = "、。，．・：；！？）］｝〉》」』】〕ーゝゞ々ぁぃぅぇぉっゃゅょァィゥェォッャュョ"
_PIECE = re.compile(f"\\s*(?:[（［｛〈《「『【〔]*[{_WIDE}][{_CLOSING}]*|[^\\s{_WIDE}]+)")


@dataclass(frozen=True)
class Line:
    """The letters of a line from left to right; whether it begins at the right."""

    letters: str
    from_right: bool = False


@dataclass(frozen=True)
class Text:
    """Lines of one size, in pixels, in a column of a width."""

    lines: tuple[Line, ...]
    size: int
    width: int

    @property
    def height(self) -> int:
        return len(self.lines) * line_height(self.size)

    def draw(self, page: Image.Image, x: int, y: int, colour: str) -> None:
        for i, line in enumerate(self.lines):
            left = x + self.width - round(_length(line.letters, self.size)) if line.from_right else x
            _draw_line(page, left, y + i * line_height(self.size), line.letters, self.size, colour)


def wrapped(text: str, size: int, width: int, most: int = MOST_LINES) -> Text:
    """The text in at most `most` lines no wider than `width`; the last ends in dots where more would follow."""
    room = (most + 1) * width  # no line holds more letters than pixels
    lines = list(islice(_all_lines(text[:room], size, width), most + 1))
    if len(lines) > most:
        last, from_right = lines[most - 1]
        lines = [*lines[: most - 1], (_shortened(last, size, width), from_right)]
    return Text(tuple(Line(ordered(line, right), right) for line, right in lines), size, width)


def write(page: Image.Image, x: int, y: int, text: str, size: int, colour: str, anchor: str = "la") -> None:
    """A few words of our own at a point of the page; anchor: which point of theirs lies there, as Pillow has it."""
    ImageDraw.Draw(page).text((x, y), text, colour, main_font(size), anchor)


def _all_lines(text: str, size: int, width: int) -> Iterator[tuple[str, bool]]:
    """The lines in the order of reading, each with whether its paragraph begins at the right."""
    for paragraph in text.splitlines():
        letters = _letters(paragraph)
        for line in _lines(letters, size, width):
            yield line, starts_right(letters)


def _letters(paragraph: str) -> str:
    """The letters to draw, in the order of reading."""
    composed = unicodedata.normalize("NFC", _SELECTORS.sub("", paragraph.replace("\t", " ")))
    return drawable("".join(one for one in joined(composed) if unicodedata.category(one) not in _UNSEEN))


def _lines(letters: str, size: int, width: int) -> Iterator[str]:
    line, used = "", 0.0
    for piece in _pieces(letters, size, width):
        long = _length(piece, size)
        if line and used + long > width:
            yield line
            line, used, piece = "", 0.0, piece.lstrip()
            long = _length(piece, size)
        line, used = line + piece, used + long
    yield line


def _pieces(letters: str, size: int, width: int) -> Iterator[str]:
    """What is not broken at the end of a line, with one space before it where there is one; no piece is wider."""
    for match in _PIECE.finditer(letters.strip()):
        word = match[0].lstrip()
        space = " " if len(word) < len(match[0]) else ""
        start, used = 0, 0.0
        for i, letter in enumerate(word):
            used += advance(letter, size)
            if used > width and i > start:
                yield space + word[start:i]
                start, used, space = i, advance(letter, size), ""
        yield space + word[start:]


def _shortened(line: str, size: int, width: int) -> str:
    while line and _length(line, size) + _length("...", size) > width:
        line = line[:-1]
    return f"{line.rstrip()}..."


def _length(letters: str, size: int) -> float:
    return sum(advance(letter, size) for letter in letters)


def _draw_line(page: Image.Image, x: int, y: int, letters: str, size: int, colour: str) -> None:
    baseline = y + main_font(size).getmetrics()[0]
    pen = ImageDraw.Draw(page)
    for font, part in runs(letters, size):
        pen.text((x, baseline), part, colour, font, "ls")
        x += round(font.getlength(part))
