"""Pictures an estimator learns from: what each was asked for, what it shows, and whether the two agree."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import torch

from adaptive_diffusion.standalone.oracle import grade, look
from adaptive_diffusion.standalone.scenes import BACKGROUNDS, COLOURS, SHAPES, Scene

from .captions import described
from .common import images_to_tensor
from .scenes import dataset, part_of

PATCH = 8
UNKNOWN = -100
COVERED = 0.3
KINDS = list(itertools.product(COLOURS, SHAPES))
CONTENTS = len(KINDS) + len(BACKGROUNDS)


@dataclass(frozen=True)
class Pictures:
    """images: (N, 3, 64, 64) uint8. asked: the prompt's scene. shown: what the image shows, None where unknown.

    right: (N,) 1.0 where the image shows what was asked for. contents: (N, 64) class of each 8 px patch, or UNKNOWN.
    """

    images: torch.Tensor
    asked: list[Scene]
    shown: list[Scene | None]
    right: torch.Tensor
    contents: torch.Tensor

    def __len__(self) -> int:
        return len(self.asked)


def renders(count: int, seed: int) -> Pictures:
    """Drawn scenes of training captions: all right, every patch known."""
    scenes, images = dataset(count, seed)
    pixels = images_to_tensor(images)
    return Pictures(pixels, scenes, list(scenes), torch.ones(count), patch_contents(pixels, scenes))


def rated(images: torch.Tensor, asked: list[Scene]) -> Pictures:
    """Generated images (N, 3, 64, 64) uint8 with the oracle as their rater."""
    arrays = images.permute(0, 2, 3, 1).numpy()
    right = torch.tensor([float(grade(image, scene).exact) for image, scene in zip(arrays, asked, strict=True)])
    contents = torch.full((len(asked), (images.shape[-1] // PATCH) ** 2), UNKNOWN)
    return Pictures(images, asked, [_seen(image) for image in arrays], right, contents)


def _seen(image: numpy.ndarray) -> Scene | None:
    scene = described(*look(image))
    return scene if scene and part_of(scene.meaning) == "training" else None


def join(parts: Sequence[Pictures]) -> Pictures:
    return Pictures(
        torch.cat([part.images for part in parts]),
        [scene for part in parts for scene in part.asked],
        [scene for part in parts for scene in part.shown],
        torch.cat([part.right for part in parts]),
        torch.cat([part.contents for part in parts]),
    )


def patch_contents(images: torch.Tensor, scenes: list[Scene]) -> torch.Tensor:
    """What each 8 px patch of a drawn scene shows (N, 64): colour and shape, or the background."""
    palette = torch.tensor([*COLOURS.values(), *BACKGROUNDS.values()]).float()
    tables = torch.stack([_meanings(scene) for scene in scenes])
    parts = zip(images.split(500), tables.split(500), strict=True)
    return torch.cat([_contents(part, table, palette) for part, table in parts])


def _contents(images: torch.Tensor, meanings: torch.Tensor, palette: torch.Tensor) -> torch.Tensor:
    pixels = images.permute(0, 2, 3, 1).float()
    nearest = torch.cdist(pixels.flatten(1, 2), palette).argmin(-1).view(pixels.shape[:3])
    patches = nearest.unfold(1, PATCH, PATCH).unfold(2, PATCH, PATCH).flatten(3).flatten(1, 2)
    share = torch.nn.functional.one_hot(patches, len(palette)).float().mean(2)
    objects = share * (meanings != -1)[:, None] * (torch.arange(len(palette)) < len(COLOURS))
    most, colour = objects.max(-1)
    behind = share[..., len(COLOURS) :].argmax(-1) + len(COLOURS)
    return meanings.gather(1, torch.where(most > COVERED, colour, behind))


def _meanings(scene: Scene) -> torch.Tensor:
    """The class of each palette colour in this scene; UNKNOWN for a colour of two shapes, -1 for one not shown."""
    table = torch.full((len(COLOURS) + len(BACKGROUNDS),), -1)
    table[len(COLOURS) :] = torch.arange(len(BACKGROUNDS)) + len(KINDS)
    for place, colour in enumerate(COLOURS):
        kinds = {KINDS.index(item) for item in scene.objects if item[0] == colour}
        if kinds:
            table[place] = kinds.pop() if len(kinds) == 1 else UNKNOWN
    return table
