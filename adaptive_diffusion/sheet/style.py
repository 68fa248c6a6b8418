"""The sheet's measures, in pixels, and its colours."""

PANEL = 192
GAP, PADDING, MARGIN, RADIUS = 12, 16, 32, 12
CARD_WIDTH = 2 * PANEL + GAP + 2 * PADDING
PILL_HEIGHT = 26
TITLE_SIZE, BODY_SIZE, SMALL_SIZE = 28, 17, 15
PAGE, CARD, EDGE, INK, GREY = "#f3f4f6", "#ffffff", "#d8dce2", "#1f2328", "#656d76"
GREEN, AMBER = "#116329", "#9a3f05"


def line_height(size: int) -> int:
    return round(size * 1.35)
