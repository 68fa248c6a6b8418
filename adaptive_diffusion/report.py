"""What a run did, to look at (a contact sheet) and to keep (a record)."""

import functools
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy
from PIL import Image, ImageDraw, ImageFont

from .gate.cost import Spent
from .gate.decision import GateDecision

ACCEPTED, REJECTED = "accepted", "rejected"

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
PANEL = 192
GAP, PADDING, MARGIN, RADIUS = 12, 16, 32, 12
ASPECT = 1.5
CARD_WIDTH = 2 * PANEL + GAP + 2 * PADDING
PILL_HEIGHT = 26
CAPTION_LINES, PARAGRAPH_LINES = 3, 10
TITLE_SIZE, BODY_SIZE, SMALL_SIZE = 28, 17, 15
PAGE, CARD, EDGE, INK, GREY = "#f3f4f6", "#ffffff", "#d8dce2", "#1f2328", "#656d76"
GREEN, AMBER = "#116329", "#9a3f05"
PILLS = {ACCEPTED: ("kept", GREEN, "#d3f5dc"), REJECTED: ("to teacher", AMBER, "#ffe3c7")}


@dataclass(frozen=True)
class SheetRow:
    """One image of a contact sheet.

    student, final: a PIL image or an array (H, W, 3), uint8 or floats in 0..1. final: what came out, the student's
    own image where it was kept. final_score: the final image's, None where it was not scored.
    """

    prompt: str
    student: Any
    score: float
    rejected: bool
    final: Any
    final_score: float | None = None


def record(
    decision: GateDecision,
    seeds: Sequence[int] = (),
    final_scores: Sequence[float] = (),
    teacher_steps: int | None = None,
    first: int = 0,
    nodes: Collection[str] | None = None,
) -> list[dict[str, Any]]:
    """One JSON-ready dict per image: index, prompt, seed, score, table, threshold, verdict, taken (whether the improved
    image is the final one), final_score, steps, evaluations of a network. What is unknown or not finite is None.

    seeds: one per image, else the student's. final_scores: one per rejected image, in order, or one per image.
    teacher_steps: of a rejected image whose teacher did not tell what it took. first: the first image's index.
    nodes: which teachers and merges count, all without.
    """
    _check_count("seeds", seeds, [len(decision)])
    _check_count("final_scores", final_scores, [len(decision.rejected), len(decision)])
    finals = _finals(decision, final_scores, nodes)
    costs = [_cost(decision, i, teacher_steps, nodes) for i in range(len(decision))]
    return [
        {
            "index": first + i,
            "prompt": decision.scores.prompts[i],
            "seed": seeds[i] if seeds else decision.student and decision.student.seed,
            "score": score,
            "table": decision.table,
            "threshold": decision.threshold if math.isfinite(decision.threshold) else None,
            "verdict": REJECTED if i in decision.rejected else ACCEPTED,
            "taken": finals[i].taken,
            "final_score": finals[i].score,
            "steps": costs[i][0],
            "evaluations": costs[i][1],
        }
        for i, score in enumerate(decision.scores.values)
    ]


def _check_count(name: str, values: Sequence[Any], counts: Sequence[int]) -> None:
    if len(values) not in (0, *counts):
        raise ValueError(f"{len(values)} {name} came for {counts[0]} images; give one for each, or none")


class _Final(NamedTuple):
    """Whether an image that came out is the teacher's, and its score."""

    taken: bool | None
    score: float | None


def _finals(decision: GateDecision, scores: Sequence[float], nodes: Collection[str] | None) -> list[_Final]:
    """Scores of all images, not of the rejected only, are those of what came out, whoever drew it."""
    of_all = len(scores) == len(decision) != len(decision.rejected)
    given = dict(zip(range(len(decision)) if of_all else decision.rejected, scores, strict=False))
    finals = []
    for i, own in enumerate(decision.scores.values):
        taken = decision.was_taken(i, nodes)
        of_given = i in given and (of_all or taken is not False)
        finals.append(_Final(taken, given[i] if of_given else own if taken is False else None))
    return finals


def _cost(
    decision: GateDecision, image: int, teacher_steps: int | None, nodes: Collection[str] | None
) -> tuple[int | None, float | None]:
    """Steps and evaluations of an image, those behind earlier gates among them."""
    outcome, rejected = decision.outcomes[image], image in decision.rejected
    told = Spent(teacher_steps, math.nan) if teacher_steps and rejected else None if rejected else Spent(0, 0)
    student = decision.student.took(decision.scores.rows.numbers[image]) if decision.student else None
    teacher = outcome.paid(nodes) or told
    if student is None or teacher is None:
        return None, None
    spent = student + outcome.paid_before(nodes) + teacher
    return spent.steps, None if math.isnan(spent.evaluations) else spent.evaluations


def contact_sheet(rows: Sequence[SheetRow], footer: str = "", title: str = "") -> Image.Image:
    """A page of cards, one per row: verdict, the student's image and the final one with their scores, the prompt.

    Pictures fit a square of 192 px, small ones enlarged. Of the title, the lines after the first are set smaller.
    ValueError without rows.
    """
    if not rows:
        raise ValueError("a contact sheet needs at least one image")
    cards = [_Card.of(number, row) for number, row in enumerate(rows)]
    columns = _columns(cards)
    width = columns * (CARD_WIDTH + GAP) - GAP
    heading, _, note = title.partition("\n")
    texts = [_wrap(heading, TITLE_SIZE, width), _wrap(note, BODY_SIZE, width), _wrap(footer, BODY_SIZE, width)]
    top = MARGIN + sum(text.height + GAP // 2 for text in texts[:2] if text.lines)
    top += GAP if title else 0
    bottom = top + _stack_height(cards, columns)
    sheet = Image.new("RGB", (width + 2 * MARGIN, bottom + texts[2].height + (2 if footer else 1) * MARGIN), PAGE)
    texts[0].draw(sheet, MARGIN, MARGIN, INK)
    texts[1].draw(sheet, MARGIN, MARGIN + texts[0].height + GAP // 2, GREY)
    texts[2].draw(sheet, MARGIN, bottom + MARGIN, GREY)
    _draw_cards(sheet, cards, columns, top)
    return sheet


def as_image(picture: Any) -> Image.Image:
    """A PIL image, or an array (H, W, C >= 3), uint8 or floats in 0..1, as an RGB image."""
    if isinstance(picture, Image.Image):
        return picture.convert("RGB")
    array = numpy.asarray(picture)
    if array.dtype != numpy.uint8:
        array = (array.clip(0, 1) * 255).round().astype(numpy.uint8)
    return Image.fromarray(numpy.ascontiguousarray(array[..., :3]))


@dataclass(frozen=True)
class _Text:
    lines: tuple[str, ...]
    size: int

    @property
    def height(self) -> int:
        return len(self.lines) * _line_height(self.size)

    def draw(self, sheet: Image.Image, x: int, y: int, colour: str) -> None:
        for i, line in enumerate(self.lines):
            _write(sheet, x, y + i * _line_height(self.size), line, self.size, colour)


@dataclass(frozen=True)
class _Card:
    """One row of the sheet, ready to draw: its two pictures at their final size and its caption in lines."""

    number: int
    row: SheetRow
    pictures: tuple[Image.Image, Image.Image]
    caption: _Text

    @classmethod
    def of(cls, number: int, row: SheetRow) -> "_Card":
        pictures = (_fitted(as_image(row.student)), _fitted(as_image(row.final)))
        return cls(number, row, pictures, _wrap(row.prompt, BODY_SIZE, CARD_WIDTH - 2 * PADDING, CAPTION_LINES))

    @property
    def panel_height(self) -> int:
        return max(picture.height for picture in self.pictures)

    @property
    def height(self) -> int:
        caption = self.caption.height + GAP if self.caption.lines else 0
        return PADDING * 2 + PILL_HEIGHT + GAP + self.panel_height + GAP // 2 + _line_height(SMALL_SIZE) + caption

    def draw(self, sheet: Image.Image, x: int, y: int, height: int) -> None:
        edges = (x, y, x + CARD_WIDTH - 1, y + height - 1)
        ImageDraw.Draw(sheet).rounded_rectangle(edges, RADIUS, CARD, EDGE)
        left, right, top = x + PADDING, x + CARD_WIDTH - PADDING, y + PADDING
        _draw_pill(sheet, left, top, REJECTED if self.row.rejected else ACCEPTED)
        _write(sheet, right, top + PILL_HEIGHT // 2, f"#{self.number}", SMALL_SIZE, GREY, "rm")
        top += PILL_HEIGHT + GAP
        self._draw_panel(sheet, left, top, "student", self.pictures[0], self.row.score, INK)
        score, colour = _final_score(self.row)
        self._draw_panel(sheet, left + PANEL + GAP, top, "final", self.pictures[1], score, colour)
        self.caption.draw(sheet, left, top + self.panel_height + GAP // 2 + _line_height(SMALL_SIZE) + GAP, INK)

    def _draw_panel(
        self, sheet: Image.Image, x: int, y: int, name: str, picture: Image.Image, score: float | None, colour: str
    ) -> None:
        left, top = x + (PANEL - picture.width) // 2, y + (self.panel_height - picture.height) // 2
        ImageDraw.Draw(sheet).rectangle((left - 1, top - 1, left + picture.width, top + picture.height), outline=EDGE)
        sheet.paste(picture, (left, top))
        below = y + self.panel_height + GAP // 2
        _write(sheet, x, below, name if score is None else f"{name} score", SMALL_SIZE, GREY)
        if score is not None:
            _write(sheet, x + PANEL, below, f"{score:.2f}", SMALL_SIZE, colour, "ra")


def _final_score(row: SheetRow) -> tuple[float | None, str]:
    """The final image's score and its colour: green where it rose, amber where it fell."""
    if not row.rejected or row.final_score is None:
        return (None if row.rejected else row.score), INK
    return row.final_score, GREEN if row.final_score > row.score else AMBER


def _draw_cards(sheet: Image.Image, cards: Sequence[_Card], columns: int, top: int) -> None:
    for line in _lines(cards, columns):
        height = max(card.height for card in line)
        for column, card in enumerate(line):
            card.draw(sheet, MARGIN + column * (CARD_WIDTH + GAP), top, height)
        top += height + GAP


def _draw_pill(sheet: Image.Image, x: int, y: int, verdict: str) -> None:
    text, ink, fill = PILLS[verdict]
    width = round(_font(SMALL_SIZE).getlength(text)) + PILL_HEIGHT
    ImageDraw.Draw(sheet).rounded_rectangle((x, y, x + width, y + PILL_HEIGHT), PILL_HEIGHT // 2, fill)
    _write(sheet, x + width // 2, y + PILL_HEIGHT // 2, text, SMALL_SIZE, ink, "mm")


def _columns(cards: Sequence[_Card]) -> int:
    """How many columns bring the cards nearest to the aspect of a screen."""

    def distance(columns: int) -> float:
        return abs(math.log(columns * CARD_WIDTH / _stack_height(cards, columns) / ASPECT))

    return min(range(1, len(cards) + 1), key=distance)


def _lines(cards: Sequence[_Card], columns: int) -> list[Sequence[_Card]]:
    return [cards[start : start + columns] for start in range(0, len(cards), columns)]


def _stack_height(cards: Sequence[_Card], columns: int) -> int:
    return sum(max(card.height for card in line) + GAP for line in _lines(cards, columns)) - GAP


def _fitted(picture: Image.Image) -> Image.Image:
    """The picture scaled into a panel, its aspect kept."""
    scale = PANEL / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def _wrap(text: str, size: int, width: int, most: int = PARAGRAPH_LINES) -> _Text:
    """The text in at most `most` lines no wider than `width`; the last ends in dots where more would follow."""
    font = _font(size)
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = ""
        for word in _pieces(paragraph, font, width):
            if line and font.getlength(f"{line} {word}") > width:
                lines.append(line)
                line = ""
            line = f"{line} {word}".strip()
        lines.append(line)
    if len(lines) > most:
        lines = [*lines[: most - 1], _shortened(lines[most - 1], font, width)]
    return _Text(tuple(lines), size)


def _pieces(paragraph: str, font: Font, width: int) -> list[str]:
    """The words, those wider than a line broken into parts that fit."""
    pieces = []
    for word in paragraph.split():
        while font.getlength(word) > width:
            fitting = max(1, next(n for n in range(len(word), 0, -1) if font.getlength(word[:n]) <= width))
            pieces.append(word[:fitting])
            word = word[fitting:]
        pieces.append(word)
    return pieces


def _shortened(line: str, font: Font, width: int) -> str:
    while font.getlength(f"{line}...") > width:
        line = line[:-1]
    return f"{line.rstrip()}..."


@functools.cache
def _font(size: int) -> Font:
    return ImageFont.load_default(size)


def _line_height(size: int) -> int:
    return round(size * 1.35)


def _write(sheet: Image.Image, x: int, y: int, text: str, size: int, colour: str, anchor: str = "la") -> None:
    ImageDraw.Draw(sheet).text((x, y), text, colour, _font(size), anchor)
