"""Captions around an image: near misses to tell apart, and what the oracle sees put into words."""

import itertools
import random
from collections.abc import Callable
from dataclasses import replace

from adaptive_diffusion.standalone.oracle import APART, BETWEEN_SIZES, Found
from adaptive_diffusion.standalone.scenes import BACKGROUNDS, COLOURS, HORIZONTAL, SHAPES, SIZES, VERTICAL, Scene

from .scenes import part_of, random_scene


def other_scene(scene: Scene, rng: random.Random, difficulty: float) -> Scene:
    """A training caption beside `scene`: one edit away with probability `difficulty`, else any of as many objects."""
    while True:
        near = rng.random() < difficulty
        other = rng.choice(EDITS)(scene, rng) if near else random_scene(rng, len(scene.objects))
        if part_of(other.meaning) == "training":
            return other


def _with_object(scene: Scene, place: int, colour: str, shape: str) -> Scene:
    return replace(scene, objects=(*scene.objects[:place], (colour, shape), *scene.objects[place + 1 :]))


def _colour(scene: Scene, rng: random.Random) -> Scene:
    place = rng.randrange(len(scene.objects))
    return _with_object(scene, place, rng.choice(list(COLOURS)), scene.objects[place][1])


def _shape(scene: Scene, rng: random.Random) -> Scene:
    place = rng.randrange(len(scene.objects))
    return _with_object(scene, place, scene.objects[place][0], rng.choice(SHAPES))


def _background(scene: Scene, rng: random.Random) -> Scene:
    return replace(scene, background=rng.choice(list(BACKGROUNDS)))


def _relation(scene: Scene, rng: random.Random) -> Scene:
    choices = (list(SIZES), HORIZONTAL + VERTICAL, HORIZONTAL)[len(scene.objects) - 1]
    changed = replace(scene, relation=rng.choice(choices))
    return replace(changed, third=rng.choice(VERTICAL)) if scene.third else changed


def _swap(scene: Scene, rng: random.Random) -> Scene:
    if len(scene.objects) == 1:
        return _relation(scene, rng)
    (one, first), (two, second) = scene.objects[:2]
    colours = rng.random() < 0.5
    pair = ((two, first), (one, second)) if colours else ((one, second), (two, first))
    return replace(scene, objects=(*pair, *scene.objects[2:]))


def _count(scene: Scene, rng: random.Random) -> Scene:
    other = random_scene(rng, 2 if len(scene.objects) != 2 else rng.choice((1, 3)))
    kept = (*scene.objects, *other.objects)[: len(other.objects)]
    return replace(other, objects=kept, background=scene.background)


EDITS: tuple[Callable[[Scene, random.Random], Scene], ...] = (_colour, _shape, _background, _relation, _swap, _count)


def described(background: str, found: list[Found]) -> Scene | None:
    """The scene that shows what the oracle found; None where the grammar has no words for it."""
    if not 1 <= len(found) <= 3:
        return None
    if len(found) == 1:
        size = "large" if found[0].size > BETWEEN_SIZES else "small"
        return _scene(background, found, size)
    if len(found) == 2:
        across, down = (_gap(found, axis) for axis in "xy")
        relation = _side(across, HORIZONTAL) if abs(across) > abs(down) else _side(down, VERTICAL)
        return _scene(background, found, relation) if relation else None
    return _three(background, found)


def _three(background: str, found: list[Found]) -> Scene | None:
    row = min(itertools.combinations(found, 2), key=lambda pair: abs(_gap(pair, "y")))
    third = next(item for item in found if item not in row)
    sides = {_side(item.y - third.y, VERTICAL) for item in row}
    relation = _side(_gap(row, "x"), HORIZONTAL)
    if not relation or len(sides) != 1 or "" in sides:
        return None
    return _scene(background, [*row, third], relation, sides.pop())


def _scene(background: str, found: list[Found], relation: str, third: str = "") -> Scene:
    return Scene(background, tuple((item.colour, item.shape) for item in found), relation, third)


def _gap(pair: list[Found] | tuple[Found, ...], axis: str) -> float:
    return getattr(pair[1], axis) - getattr(pair[0], axis)


def _side(gap: float, words: tuple[str, str]) -> str:
    if abs(gap) <= APART:
        return ""
    return words[0] if gap > 0 else words[1]
