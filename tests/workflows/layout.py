"""Where nodes stand: groups and their columns from left to right, a column's nodes from top to bottom."""

from collections.abc import Mapping, Sequence
from typing import Any

from .parts import Group

COLUMN_GAP, ROW_GAP, GROUP_GAP = 40, 80, 24
PADDING, TITLE = 18, 80
FOLDED = "subgraph"
GROWS = {
    FOLDED: 70,
    "AdaptiveQualityScore": 290,
    "AdaptiveThresholdGate": 200,
    "AdaptiveReport": 310,
    "AdaptiveCalibrate": 130,
    "AdaptiveBudget": 40,
    "AdaptiveBestOfN": 90,
    "AdaptiveUntilEnough": 90,
    "AdaptiveHoldRejected": 100,
    "AdaptiveTakeHeld": 40,
    "AdaptivePreset": 90,
    "AdaptiveRollbackByScore": 40,
    "AdaptiveTune": 230,
    "GetImageSize": 60,
}

Size = Sequence[float]
Positions = dict[str, tuple[int, int]]


def lay_out(
    groups: Sequence[Group], sizes: Mapping[str, Size], kinds: Mapping[str, str]
) -> tuple[Positions, list[dict[str, Any]]]:
    """Positions of nodes by name, and the boxes around groups, all as high as the highest.

    sizes: width and height of each by name. kinds: class types; some nodes grow when they run, so room is left below.
    """
    positions: Positions = {}
    boxes: list[dict[str, Any]] = []
    left, bottom = 0, 0
    for group in groups:
        right = left + PADDING
        for column in group.columns:
            bottom = max(bottom, _stack(column, right, sizes, kinds, positions))
            right += round(max(sizes[name][0] for name in column)) + COLUMN_GAP
        right += PADDING - COLUMN_GAP
        if group.title:
            boxes.append({"title": group.title, "color": group.color, "pos": [left, 0], "size": [right - left, 0]})
        left = right + GROUP_GAP
    for box in boxes:
        box["size"][1] = bottom
    return positions, boxes


def _stack(
    column: Sequence[str], left: int, sizes: Mapping[str, Size], kinds: Mapping[str, str], positions: Positions
) -> int:
    """Put a column's nodes below each other; where the column ends."""
    top = TITLE
    for name in column:
        positions[name] = (left, top)
        top += round(sizes[name][1]) + GROWS.get(kinds.get(name, ""), 0) + ROW_GAP
    return top - ROW_GAP + PADDING


def overlaps(rectangles: Sequence[Mapping[str, Any]]) -> list[str]:
    """The pairs of nodes that cover each other."""
    pairs = [(a, b) for i, a in enumerate(rectangles) for b in rectangles[i + 1 :]]
    return [f"{a['title']} and {b['title']} overlap" for a, b in pairs if _meet(a, b)]


def _meet(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    across = a["x"] < b["x"] + b["width"] and b["x"] < a["x"] + a["width"]
    return across and a["y"] < b["y"] + b["height"] and b["y"] < a["y"] + a["height"]
