"""Drawn scenes of 64 px with captions from a closed grammar: the whole world of the demo models.

One object:    "a large red circle on sky"
Two objects:   "a red circle left of a blue square on sand"
Three objects: "a red circle left of a blue square and a green cross below on white"
"""

import hashlib
import random
from dataclasses import dataclass

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
HELD_OUT = 8


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


def held_out(caption: str) -> bool:
    """Whether a caption is kept from all training, labelling, calibration and tuning: one in eight, by its hash."""
    return int.from_bytes(hashlib.sha256(caption.encode()).digest()[:4], "big") % HELD_OUT == 0


def sample_scene(rng: random.Random, count: int, evaluation: bool) -> Scene:
    """A random scene from the evaluation captions or from all others."""
    while True:
        scene = random_scene(rng, count)
        if held_out(scene.caption) == evaluation:
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


def dataset(count: int, seed: int, evaluation: bool = False) -> tuple[list[Scene], numpy.ndarray]:
    """`count` scenes and their images (count, 64, 64, 3) uint8; one, two and three objects in proportion 1 : 2 : 3."""
    rng = random.Random(seed)
    scenes = [sample_scene(rng, rng.choice((1, 2, 2, 3, 3, 3)), evaluation) for _ in range(count)]
    return scenes, numpy.stack([draw(scene, rng) for scene in scenes])
