"""The sheet's measures, in pixels, and its colours."""

from dataclasses import dataclass

GAP, PADDING, MARGIN, RADIUS = 12, 16, 32, 12
PILL_HEIGHT = 26
TITLE_SIZE, BODY_SIZE, SMALL_SIZE = 28, 17, 15
PAGE, CARD, EDGE, INK, GREY = "#f3f4f6", "#ffffff", "#d8dce2", "#1f2328", "#656d76"
GREEN, AMBER, RED = "#116329", "#9a3f05", "#a40e26"


@dataclass(frozen=True)
class Format:
    """panel: the sides of the square that a picture fits. cards: how many a page has at most."""

    panel: int
    cards: int

    @property
    def text_width(self) -> int:
        return 2 * self.panel + GAP

    @property
    def card_width(self) -> int:
        return self.text_width + 2 * PADDING


ONE_PAGE, MANY_PAGES = Format(192, 25), Format(128, 54)


def line_height(size: int) -> int:
    return round(size * 1.35)
