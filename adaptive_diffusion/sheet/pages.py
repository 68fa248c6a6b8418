"""A contact sheet: cards on pages of one size, drawn one page at a time."""

import math
from collections.abc import Iterator, Sequence

import numpy
import torch
from PIL import Image

from .card import Card, SheetRow
from .style import BODY_SIZE, GAP, GREY, INK, MANY_PAGES, MARGIN, ONE_PAGE, PAGE, TITLE_SIZE
from .text import wrapped

ASPECT = 1.5


class ContactSheet:
    """Pages of cards, one card per row: verdict, the student's image and the final one with their scores, the prompt.

    Pictures fit a square of 192 px, of 128 px where there are several pages; small ones are enlarged. Every page has
    the title, of which the lines after the first are set smaller, and the footer. ValueError without rows.
    """

    def __init__(self, rows: Sequence[SheetRow], footer: str = "", title: str = ""):
        if not rows:
            raise ValueError("a contact sheet needs at least one image")
        self._format = ONE_PAGE if len(rows) <= ONE_PAGE.cards else MANY_PAGES
        cards = [Card(number, row, self._format) for number, row in enumerate(rows)]
        self._pages = [cards[i : i + self._format.cards] for i in range(0, len(cards), self._format.cards)]
        self._columns = _columns(self._pages[0])
        width = self._columns * (self._format.card_width + GAP) - GAP
        heading, _, note = title.partition("\n")
        self._heading, self._note = wrapped(heading, TITLE_SIZE, width), wrapped(note, BODY_SIZE, width)
        self._footers = [wrapped(text, BODY_SIZE, width) for text in _numbered(footer, len(self._pages))]
        texts = [text.height + GAP // 2 for text in (self._heading, self._note) if text.lines]
        self._top = MARGIN + sum(texts) + (GAP if title else 0)
        self._bottom = self._top + max(_stack_height(page, self._columns) for page in self._pages)
        below = self._footers[0].height + MARGIN if self._footers[0].lines else 0
        self.size = (width + 2 * MARGIN, self._bottom + below + MARGIN)

    def __len__(self) -> int:
        return len(self._pages)

    def __iter__(self) -> Iterator[Image.Image]:
        """The pages, RGB, all of `size` (width, height)."""
        return map(self._draw, range(len(self)))

    def pixels(self) -> torch.Tensor:
        """The pages (P, H, W, 3), floats 0..1."""
        width, height = self.size
        pixels = torch.empty(len(self), height, width, 3)
        for number, page in enumerate(self):
            pixels[number] = torch.from_numpy(numpy.array(page))
        return pixels.div_(255)

    def _draw(self, number: int) -> Image.Image:
        page = Image.new("RGB", self.size, PAGE)
        self._heading.draw(page, MARGIN, MARGIN, INK)
        self._note.draw(page, MARGIN, MARGIN + self._heading.height + GAP // 2, GREY)
        self._footers[number].draw(page, MARGIN, self._bottom + MARGIN, GREY)
        top = self._top
        for line in _lines(self._pages[number], self._columns):
            height = max(card.height for card in line)
            for column, card in enumerate(line):
                card.draw(page, MARGIN + column * (self._format.card_width + GAP), top, height)
            top += height + GAP
        return page


def _numbered(footer: str, pages: int) -> list[str]:
    """The footer of each page, with its number where there are several."""
    if pages == 1:
        return [footer]
    return [f"{footer} Page {number} of {pages}.".strip() for number in range(1, pages + 1)]


def _columns(cards: Sequence[Card]) -> int:
    """How many columns bring the cards nearest to the aspect of a screen."""

    def distance(columns: int) -> float:
        return abs(math.log(columns * cards[0].format.card_width / _stack_height(cards, columns) / ASPECT))

    return min(range(1, len(cards) + 1), key=distance)


def _lines(cards: Sequence[Card], columns: int) -> list[Sequence[Card]]:
    return [cards[start : start + columns] for start in range(0, len(cards), columns)]


def _stack_height(cards: Sequence[Card], columns: int) -> int:
    return sum(max(card.height for card in line) + GAP for line in _lines(cards, columns)) - GAP
