"""Which of the fonts beside this file draws a letter; fonts/README.md says where they come from."""

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path

from PIL import ImageFont

FOLDER = Path(__file__).parent / "fonts"
FILES = ("wqy-microhei.ttc", "DejaVuSans.ttf", "unifont.otf", "unifont_upper.otf")
UNKNOWN = "\ufffd"
WESTERN = "‘’“”…"  # in the first font as wide as a Chinese letter
_NO_LETTER = "\uffff"

Font = ImageFont.FreeTypeFont


def main_font(size: int) -> Font:
    """The font of Latin, Greek and Cyrillic letters and of Chinese, Japanese and Korean, in a size in pixels."""
    return _font(FILES[0], size)


def drawable(text: str) -> str:
    """The text with UNKNOWN for each letter that no font has."""
    return "".join(letter if any(_has(file, letter) for file in FILES) else UNKNOWN for letter in text)


def runs(line: str, size: int) -> Iterator[tuple[Font, str]]:
    """The line in parts that one font draws."""
    for file, part in itertools.groupby(line, key=_file_of):
        yield _font(file, size), "".join(part)


@functools.lru_cache(maxsize=2**16)
def advance(letter: str, size: int) -> float:
    """How far a letter moves on, in pixels."""
    return _font(_file_of(letter), size).getlength(letter)


@functools.lru_cache(maxsize=2**16)
def _file_of(letter: str) -> str:
    """The first file that has the letter, else the first of all."""
    files = FILES[1:] if letter in WESTERN else FILES
    return next((file for file in files if _has(file, letter)), FILES[0])


@functools.lru_cache(maxsize=2**16)
def _has(file: str, letter: str) -> bool:
    """Whether what the font draws for a letter is not what it draws for letters that it lacks."""
    return letter.isspace() or bytes(_font(file, 16).getmask(letter)) != _missing(file)


@functools.cache
def _missing(file: str) -> bytes:
    return bytes(_font(file, 16).getmask(_NO_LETTER))


@functools.cache
def _font(file: str, size: int) -> Font:
    return ImageFont.truetype(FOLDER / file, size, layout_engine=ImageFont.Layout.BASIC)
