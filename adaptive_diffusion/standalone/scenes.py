"""The demo models' world: scenes of 64 px and the closed grammar of their captions.

One object:    "a large red circle on sky"
Two objects:   "a red circle left of a blue square on sand"
Three objects: "a red circle left of a blue square and a green cross below on white"
"""

import re
from dataclasses import dataclass, replace

from PIL import ImageDraw

from ..quoting import quoted

SIZE = 64
COLOURS = {
    "red": (214, 40, 40),
    "green": (38, 160, 70),
    "blue": (45, 85, 205),
    "yellow": (245, 205, 45),
    "purple": (145, 60, 175),
    "orange": (245, 130, 30),
}
BACKGROUNDS = {"white": (246, 246, 244), "black": (28, 28, 32), "sand": (214, 190, 150), "sky": (160, 205, 235)}
SHAPES = ("circle", "square", "triangle", "cross")
SIZES = {"small": (17, 20), "large": (32, 38)}
HORIZONTAL = ("left of", "right of")
VERTICAL = ("above", "below")
OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}


@dataclass(frozen=True)
class Scene:
    """What a caption says. objects: (colour, shape) in the order of the caption.

    relation: a size word for one object, where the first lies from the second for two or three.
    third: where the third lies from the first two, "" for fewer objects.
    """

    background: str
    objects: tuple[tuple[str, str], ...]
    relation: str
    third: str = ""

    @property
    def caption(self) -> str:
        names = [f"{_article(colour)} {colour} {shape}" for colour, shape in self.objects]
        if len(names) == 1:
            return f"a {self.relation} {names[0].split(maxsplit=1)[1]} on {self.background}"
        text = f"{names[0]} {self.relation} {names[1]}"
        if len(names) == 3:
            text += f" and {names[2]} {self.third}"
        return f"{text} on {self.background}"

    @property
    def meaning(self) -> str:
        """One caption for all that describe the same images ("a left of b" is "b right of a")."""
        if self.relation not in ("right of", "below"):
            return self.caption
        first, second, *rest = self.objects
        return replace(self, objects=(second, first, *rest), relation=OPPOSITE[self.relation]).caption


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def read_caption(caption: str) -> Scene:
    """The scene that a caption of the grammar describes, in any case; ValueError for any other text."""
    text, _, background = caption.lower().rpartition(" on ")
    objects = re.findall(rf"\b({'|'.join(COLOURS)}) ({'|'.join(SHAPES)})\b", text)
    relations = re.findall(rf"\b({'|'.join((*SIZES, *HORIZONTAL, *VERTICAL))})\b", text)
    if background in BACKGROUNDS and 1 <= len(objects) <= 3 and len(relations) == max(1, len(objects) - 1):
        scene = Scene(background, tuple(objects), *relations)
        if scene.caption == caption.lower():
            return scene
    raise ValueError(f"the oracle cannot read {quoted(caption)}; give captions of the demo scenes")


def draw_shape(
    pen: ImageDraw.ImageDraw, shape: str, colour: tuple[int, int, int], x: float, y: float, r: float
) -> None:
    """One of SHAPES around (x, y), r from its middle to its edge; all in the pen's pixels."""
    if shape == "circle":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    elif shape == "square":
        pen.rectangle((x - r * 0.9, y - r * 0.9, x + r * 0.9, y + r * 0.9), fill=colour)
    elif shape == "triangle":
        pen.polygon([(x, y - r), (x + r, y + r * 0.9), (x - r, y + r * 0.9)], fill=colour)
    else:
        arm = r * 0.36
        pen.rectangle((x - r, y - arm, x + r, y + arm), fill=colour)
        pen.rectangle((x - arm, y - r, x + arm, y + r), fill=colour)
