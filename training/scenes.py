"""Drawn scenes of 64 px with captions from a closed grammar: the whole world of the demo models.

One object:    "a large red circle on sky"
Two objects:   "a red circle left of a blue square on sand"
Three objects: "a red circle left of a blue square and a green cross below on white"
"""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy
from PIL import Image, ImageDraw

SIZE = 64
SCALE = 4
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
WORDS = (
    *["a", "an", "and", "on", "of"],
    *("small", "large", "left", "right", "above", "below"),
    *COLOURS,
    *SHAPES,
    *BACKGROUNDS,
)
OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
PARTS = ("test", "development", *["training"] * 6)


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


def random_scene(rng: random.Random, count: int) -> Scene:
    """A scene of `count` objects (1 to 3), every property drawn evenly."""
    objects = tuple((rng.choice(list(COLOURS)), rng.choice(SHAPES)) for _ in range(count))
    background = rng.choice(list(BACKGROUNDS))
    if count == 1:
        return Scene(background, objects, rng.choice(list(SIZES)))
    if count == 2:
        return Scene(background, objects, rng.choice(HORIZONTAL + VERTICAL))
    return Scene(background, objects, rng.choice(HORIZONTAL), rng.choice(VERTICAL))


def part_of(thing: str | int) -> str:
    """Where a scene's meaning or a noise seed belongs, by its hash.

    One in eight is "test", kept from all training, labelling, calibration and tuning; one in eight is "development",
    to look at and tune on; the others are "training".
    """
    digest = hashlib.sha256(f"{type(thing).__name__} {thing}".encode()).digest()
    return PARTS[int.from_bytes(digest[:4], "big") % len(PARTS)]


def sample_scene(rng: random.Random, count: int, part: str = "training") -> Scene:
    """A random scene of `count` objects whose meaning belongs to a part."""
    while True:
        scene = random_scene(rng, count)
        if part_of(scene.meaning) == part:
            return scene


def draw(scene: Scene, rng: random.Random) -> numpy.ndarray:
    """The scene as an image (64, 64, 3) uint8; positions and sizes are drawn from `rng`."""
    side = SIZE * SCALE
    image = Image.new("RGB", (side, side), BACKGROUNDS[scene.background])
    pen = ImageDraw.Draw(image)
    for (colour, shape), (x, y, size) in zip(scene.objects, _places(scene, rng), strict=True):
        draw_shape(pen, shape, COLOURS[colour], x * SCALE, y * SCALE, size * SCALE / 2)
    return numpy.asarray(image.resize((SIZE, SIZE), Image.Resampling.BOX))


def _places(scene: Scene, rng: random.Random) -> list[tuple[float, float, float]]:
    """Centre x, centre y and size of each object, in pixels; objects never touch."""
    count = len(scene.objects)
    if count == 1:
        size = rng.uniform(*SIZES[scene.relation])
        room = SIZE / 2 - size / 2 - 3
        return [(SIZE / 2 + rng.uniform(-room, room), SIZE / 2 + rng.uniform(-room, room), size)]
    low, high = (19, 23) if count == 2 else (17, 21)
    near, far = (_jitter(rng, 17), _jitter(rng, 47))
    if scene.relation in HORIZONTAL:
        xs = (near, far) if scene.relation == "left of" else (far, near)
        ys = [_jitter(rng, 32, 6)] * 2 if count == 2 else [_jitter(rng, 47 if scene.third == "above" else 17)] * 2
        places = [(x, y + rng.uniform(-2, 2), rng.uniform(low, high)) for x, y in zip(xs, ys, strict=True)]
    else:
        ys = [near, far] if scene.relation == "above" else [far, near]
        x = _jitter(rng, 32, 6)
        places = [(x + rng.uniform(-2, 2), y, rng.uniform(low, high)) for y in ys]
    if count == 3:
        places.append((_jitter(rng, 32, 8), _jitter(rng, 17 if scene.third == "above" else 47), rng.uniform(low, high)))
    return places


def _jitter(rng: random.Random, centre: float, by: float = 2) -> float:
    return centre + rng.uniform(-by, by)


def draw_shape(
    pen: ImageDraw.ImageDraw, shape: str, colour: tuple[int, int, int], x: float, y: float, r: float
) -> None:
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


def dataset(
    count: int, seed: int, part: str = "training", objects: Sequence[int] = (1, 2, 3)
) -> tuple[list[Scene], numpy.ndarray]:
    """`count` scenes and their images (count, 64, 64, 3) uint8; `objects` says how many each shows, in turn."""
    rng = random.Random(seed)
    scenes = [sample_scene(rng, objects[i % len(objects)], part) for i in range(count)]
    return scenes, numpy.stack([draw(scene, rng) for scene in scenes])
