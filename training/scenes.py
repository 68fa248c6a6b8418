"""Scenes of the demo models' world, chosen at random and drawn, in parts that are kept apart."""

import hashlib
import random
from collections.abc import Sequence

import numpy
from PIL import Image, ImageDraw

from adaptive_diffusion.standalone.scenes import (
    BACKGROUNDS,
    COLOURS,
    HORIZONTAL,
    SHAPES,
    SIZE,
    SIZES,
    VERTICAL,
    Scene,
    draw_shape,
)

SCALE = 4
WORDS = (
    *["a", "an", "and", "on", "of"],
    *("small", "large", "left", "right", "above", "below"),
    *COLOURS,
    *SHAPES,
    *BACKGROUNDS,
)
PARTS = ("test", "development", *["training"] * 6)


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


def dataset(
    count: int, seed: int, part: str = "training", objects: Sequence[int] = (1, 2, 3)
) -> tuple[list[Scene], numpy.ndarray]:
    """`count` scenes and their images (count, 64, 64, 3) uint8; `objects` says how many each shows, in turn."""
    rng = random.Random(seed)
    scenes = [sample_scene(rng, objects[i % len(objects)], part) for i in range(count)]
    return scenes, numpy.stack([draw(scene, rng) for scene in scenes])
