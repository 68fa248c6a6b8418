"""An exact grader of the demo models' images: does an image show what its caption says?

Every pixel is split into background and one object colour; connected objects are then matched against shape templates.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import torch
from PIL import Image, ImageDraw
from scipy import ndimage

from .scenes import BACKGROUNDS, COLOURS, SHAPES, SIZE, Scene, draw_shape, read_caption

GRID = 24
SMALLEST = 60
FOREGROUND = 0.5
APART = 5
BETWEEN_SIZES = 26
PARTS = ("background", "count", "colour", "shape", "place")


@dataclass(frozen=True)
class Found:
    """An object seen in an image: its centre and extent are in pixels."""

    colour: str
    shape: str
    x: float
    y: float
    size: float


@dataclass(frozen=True)
class Grade:
    """exact: background, count, colours, shapes and relation all right. share: the part of them that is right, 0..1.

    wrong: those of PARTS that are not right.
    """

    exact: bool
    share: float
    wrong: tuple[str, ...] = ()


class ExactJudge:
    """Judges as estimators do: 1.0 for an image that shows exactly its caption, else 0.0; for the demo scenes alone."""

    name, dtype, uses_prompt = "oracle", "float32", True

    def score(self, images: torch.Tensor, prompts: Sequence[str]) -> torch.Tensor:
        """(B,) for images (B, 64, 64, 3), floats 0..1, and B captions; ValueError for other sizes and captions."""
        if images.shape[1:] != (SIZE, SIZE, 3):
            raise ValueError(f"the oracle grades images of {SIZE} px, not {images.shape[2]}x{images.shape[1]}")
        pixels = (images * 255).round().byte().numpy()
        pairs = zip(pixels, map(read_caption, prompts), strict=True)
        return torch.tensor([float(grade(image, scene).exact) for image, scene in pairs])


def grade(image: numpy.ndarray, scene: Scene) -> Grade:
    """Compare an image (64, 64, 3), uint8, with what the scene's caption says."""
    background, found = look(image)
    right_background = background == scene.background
    right_count = len(found) == len(scene.objects)
    matched = max((_matched(scene, order) for order in _orders(found, len(scene.objects))), key=_points)
    best = _points(matched)
    right = {"background": right_background, "count": right_count}
    right |= {part: all(checks) for part, checks in matched.items()}
    share = (right_background + right_count + 3 * best) / 5
    return Grade(all(right.values()), share, tuple(part for part in PARTS if not right[part]))


def look(image: numpy.ndarray) -> tuple[str, list[Found]]:
    """The background's name and the objects seen in an image (64, 64, 3), uint8."""
    pixels = image.astype(numpy.float64)
    edge = numpy.concatenate([pixels[:2].reshape(-1, 3), pixels[-2:].reshape(-1, 3), pixels[:, 0], pixels[:, -1]])
    background = _nearest(numpy.median(edge, axis=0), BACKGROUNDS)
    distance = numpy.linalg.norm(pixels - BACKGROUNDS[background], axis=-1)
    labels, count = ndimage.label(distance > 45)
    found = [
        _object(pixels, labels == i, background) for i in range(1, count + 1) if (labels == i).sum() >= SMALLEST / 2
    ]
    return background, [item for item in found if item]


def _object(pixels: numpy.ndarray, mask: numpy.ndarray, background: str) -> Found | None:
    core = ndimage.binary_erosion(mask, iterations=2)
    inside = pixels[core if core.sum() >= 8 else mask]
    colour = _nearest(numpy.median(inside, axis=0), COLOURS)
    alpha = _coverage(pixels, background, colour) * ndimage.binary_dilation(mask, iterations=2)
    solid = alpha > FOREGROUND
    if solid.sum() < SMALLEST:
        return None
    rows, columns = numpy.flatnonzero(solid.any(1)), numpy.flatnonzero(solid.any(0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    shape = _shape(alpha[top:bottom, left:right])
    return Found(colour, shape, (left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top))


def _coverage(pixels: numpy.ndarray, background: str, colour: str) -> numpy.ndarray:
    """How much of each pixel is object: its position on the line from background to object colour, 0..1."""
    start = numpy.array(BACKGROUNDS[background], float)
    line = numpy.array(COLOURS[colour], float) - start
    return ((pixels - start) @ line / (line @ line)).clip(0, 1)


def _shape(alpha: numpy.ndarray) -> str:
    picture = Image.fromarray(alpha.astype(numpy.float32)).resize((GRID, GRID), Image.Resampling.BILINEAR)
    errors = {shape: numpy.square(numpy.asarray(picture) - template).mean() for shape, template in _TEMPLATES.items()}
    return min(errors, key=errors.__getitem__)


def _template(shape: str) -> numpy.ndarray:
    side = 16 * GRID
    image = Image.new("RGB", (side, side))
    draw_shape(ImageDraw.Draw(image), shape, (255, 255, 255), side / 2, side / 2, side * 0.4)
    solid = image.convert("L")
    return numpy.asarray(solid.crop(solid.getbbox()).resize((GRID, GRID), Image.Resampling.BOX)) / 255


_TEMPLATES = {shape: _template(shape) for shape in SHAPES}


def _nearest(colour: numpy.ndarray, palette: dict[str, tuple[int, int, int]]) -> str:
    return min(palette, key=lambda name: float(numpy.square(colour - numpy.array(palette[name])).sum()))


def _orders(found: list[Found], count: int) -> list[tuple[Found | None, ...]]:
    padded = [*found[:4], *[None] * max(0, count - len(found))]
    return list(itertools.permutations(padded, count))


def _matched(scene: Scene, order: tuple[Found | None, ...]) -> dict[str, list[bool]]:
    """Which colours, shapes and relations are right when the caption's objects are the found ones in this order."""
    pairs = list(zip(order, scene.objects, strict=True))
    return {
        "colour": [seen is not None and seen.colour == colour for seen, (colour, _) in pairs],
        "shape": [seen is not None and seen.shape == shape for seen, (_, shape) in pairs],
        "place": _relations(scene, order),
    }


def _points(matched: dict[str, list[bool]]) -> float:
    """The share of them that are right."""
    return numpy.mean([right for checks in matched.values() for right in checks]).item()


def _relations(scene: Scene, order: tuple[Found | None, ...]) -> list[bool]:
    seen = [one for one in order if one is not None]
    if len(seen) < len(order):
        return [False]
    if len(seen) == 1:
        return [(seen[0].size > BETWEEN_SIZES) == (scene.relation == "large")]
    checks = [_lies(seen[0], scene.relation, seen[1])]
    if len(seen) == 3:
        checks += [_lies(seen[2], scene.third, other) for other in seen[:2]]
    return checks


def _lies(one: Found, relation: str, other: Found) -> bool:
    gap = {
        "left of": other.x - one.x,
        "right of": one.x - other.x,
        "above": other.y - one.y,
        "below": one.y - other.y,
    }
    return gap[relation] > APART
