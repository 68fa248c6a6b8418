"""A chart of lines in the sheet's own fonts: panels side by side, and under them what the lines are."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from PIL import Image, ImageDraw

from .fonts import main_font
from .style import BODY_SIZE, CARD, EDGE, GAP, GREY, INK, MARGIN, PADDING, PAGE, SMALL_SIZE, TITLE_SIZE, line_height
from .text import Text, wrapped, write

PLOT_WIDTH, PLOT_HEIGHT, LEFT, TICKS = 520, 380, 64, 6
WIDE, DOT, PALE = 3, 4, 0.82


@dataclass(frozen=True)
class Series:
    """A line through points (x, y), in the order of x. band: (low, high) at each of them, or nothing.

    dots: whether the points are marked; line: whether they are joined.
    """

    name: str
    points: Sequence[tuple[float, float]]
    colour: str
    band: Sequence[tuple[float, float]] = ()
    dots: bool = False
    line: bool = True


@dataclass(frozen=True)
class Panel:
    """Series over one scale. across, up: what the axes count."""

    across: str
    up: str
    series: Sequence[Series]


@dataclass(frozen=True)
class Chart:
    """title: its first line large. The panels show series of the same names and colours."""

    title: str
    panels: Sequence[Panel]

    def draw(self) -> Image.Image:
        """The chart as an RGB image."""
        inside = len(self.panels) * (LEFT + PLOT_WIDTH) + (len(self.panels) - 1) * MARGIN
        texts, legend = self._texts(inside), list(_legend(self.panels[0].series, inside))
        top = MARGIN + sum(text.height for text in texts) + 2 * GAP
        bottom = top + PLOT_HEIGHT + 2 * line_height(SMALL_SIZE) + 2 * GAP
        page = Image.new("RGB", (inside + 2 * MARGIN, bottom + len(legend) * line_height(BODY_SIZE) + MARGIN), PAGE)
        y = MARGIN
        for text in texts:
            text.draw(page, MARGIN, y, INK)
            y += text.height
        for number, panel in enumerate(self.panels):
            _Plot(panel, MARGIN + LEFT + number * (LEFT + PLOT_WIDTH + MARGIN), top).draw(page)
        for number, row in enumerate(legend):
            _draw_legend(page, row, bottom + number * line_height(BODY_SIZE))
        return page

    def _texts(self, width: int) -> list[Text]:
        head, *rest = self.title.split("\n")
        return [wrapped(head, TITLE_SIZE, width), *(wrapped(line, BODY_SIZE, width) for line in rest)]


@dataclass(frozen=True)
class _Plot:
    """A panel whose upper left corner lies at (left, top) of a page."""

    panel: Panel
    left: int
    top: int

    @cached_property
    def _scales(self) -> tuple[list[float], list[float]]:
        """The ticks of both axes, from the first to the last of which they reach."""
        points = [point for series in self.panel.series for point in series.points]
        ends = [end for series in self.panel.series for band in series.band for end in band]
        return _ticks([x for x, _ in points]), _ticks([*(y for _, y in points), *ends])

    def _at(self, x: float, y: float) -> tuple[float, float]:
        across, up = self._scales
        share = (x - across[0]) / (across[-1] - across[0]), (y - up[0]) / (up[-1] - up[0])
        return self.left + share[0] * PLOT_WIDTH, self.top + (1 - share[1]) * PLOT_HEIGHT

    def draw(self, page: Image.Image) -> None:
        pen = ImageDraw.Draw(page)
        pen.rectangle((self.left, self.top, self.left + PLOT_WIDTH, self.top + PLOT_HEIGHT), CARD, EDGE)
        self._draw_axes(page, pen)
        for series in self.panel.series:
            self._draw_band(pen, series)
        for series in self.panel.series:
            self._draw_series(pen, series)

    def _draw_axes(self, page: Image.Image, pen: ImageDraw.ImageDraw) -> None:
        across, up = self._scales
        for tick in across:
            x, y = self._at(tick, up[0])
            pen.line((x, self.top, x, y), EDGE)
            write(page, round(x), round(y) + GAP // 2, f"{tick:g}", SMALL_SIZE, GREY, "ma")
        for tick in up:
            x, y = self._at(across[0], tick)
            pen.line((x, y, x + PLOT_WIDTH, y), EDGE)
            write(page, round(x) - GAP // 2, round(y), f"{tick:g}", SMALL_SIZE, GREY, "rm")
        below = self.top + PLOT_HEIGHT + line_height(SMALL_SIZE) + GAP // 2
        write(page, self.left + PLOT_WIDTH // 2, below, self.panel.across, SMALL_SIZE, INK, "ma")
        write(page, self.left, self.top - GAP // 2, self.panel.up, SMALL_SIZE, INK, "ls")

    def _draw_band(self, pen: ImageDraw.ImageDraw, series: Series) -> None:
        pairs = list(zip(series.points, series.band, strict=False))
        edge = [self._at(x, low) for (x, _), (low, _) in pairs] + [self._at(x, top) for (x, _), (_, top) in pairs[::-1]]
        if len(pairs) > 1:
            pen.polygon(edge, _pale(series.colour))

    def _draw_series(self, pen: ImageDraw.ImageDraw, series: Series) -> None:
        places = [self._at(*point) for point in series.points]
        if series.line and len(places) > 1:
            pen.line(places, series.colour, WIDE, "curve")
        for x, y in places if series.dots or len(places) == 1 else ():
            pen.ellipse((x - DOT, y - DOT, x + DOT, y + DOT), series.colour)


def _ticks(values: Sequence[float]) -> list[float]:
    """Round numbers, at most some TICKS steps, that reach round all finite values."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    span = (high - low) or abs(high) or 1.0
    rough = 10 ** math.floor(math.log10(span / TICKS))
    step = next(rough * factor for factor in (1, 2, 5, 10) if span / (rough * factor) <= TICKS)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(number * step, 12) for number in range(first, max(last, first + 1) + 1)]


def _legend(series: Sequence[Series], width: int) -> Iterator[list[tuple[int, Series]]]:
    """Rows of the series, each with where it begins."""
    row: list[tuple[int, Series]] = []
    x = 0
    for each in series:
        long = round(main_font(BODY_SIZE).getlength(each.name)) + 4 * PADDING
        if row and x + long > width:
            yield row
            row, x = [], 0
        row.append((x, each))
        x += long
    yield row


def _draw_legend(page: Image.Image, row: Sequence[tuple[int, Series]], y: int) -> None:
    middle = y + line_height(BODY_SIZE) // 2
    for x, series in row:
        left = MARGIN + x
        ImageDraw.Draw(page).line((left, middle, left + PADDING, middle), series.colour, 2 * WIDE)
        write(page, left + PADDING + GAP // 2, middle, series.name, BODY_SIZE, INK, "lm")


def _pale(colour: str) -> tuple[int, ...]:
    """A colour "#rrggbb" mixed with white."""
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return tuple(round(255 * PALE + part * (1 - PALE)) for part in parts)
