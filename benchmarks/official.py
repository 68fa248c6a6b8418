"""The steps of the published pipeline (arXiv 2312.10835's code, commit e36646b), written anew for measuring only.

One image at a time: the student draws it, it becomes an 8-bit picture, is resized, is scored, and a rejected one goes
to the img2img teacher, which encodes picture and prompt again. `batch` lets the same steps take several images at a
time, so that what batching gives is told apart from the rest. The published teacher has no seed; here it has the
pack's own, so that both make the same images.
"""

from collections.abc import Sequence
from typing import Any

import numpy
import torch
from PIL import Image

from adaptive_diffusion.diffusion.noise import derive_seed
from adaptive_diffusion.estimators import Estimator


class OfficialSteps:
    """drawing, teaching: what the student's and the teacher's pipeline are called with, but prompts and seeds."""

    def __init__(self, estimator: Estimator, student: Any, teacher: Any, drawing: dict, teaching: dict, size: int):
        self.estimator, self.student, self.teacher = estimator, student, teacher
        self.drawing, self.teaching, self.size = drawing, teaching, (size, size)

    def __call__(
        self, prompts: Sequence[str], seeds: Sequence[int], threshold: float, batch: int = 1
    ) -> tuple[list[Image.Image], int]:
        """One image for each prompt, `batch` at a time, and how many of them the teacher improved."""
        images: list[Image.Image] = []
        rejected = 0
        for first in range(0, len(prompts), batch):
            rows = slice(first, first + batch)
            drawn, worse = self._draw(prompts[rows], seeds[rows], threshold)
            images, rejected = images + drawn, rejected + worse
        return images, rejected

    def _draw(self, prompts: Sequence[str], seeds: Sequence[int], threshold: float) -> tuple[list[Image.Image], int]:
        drawn = self.student(list(prompts), generator=generators(seeds), **self.drawing).images
        images = [image.resize(self.size) for image in drawn]
        scores = self.estimator.score(torch.stack([to_pixels(image) for image in images]), prompts)
        worse = (scores < threshold).nonzero().flatten().tolist()
        if worse:
            again = generators([derive_seed(seeds[i], "refine") for i in worse])
            asked, start = [prompts[i] for i in worse], [images[i] for i in worse]
            improved = self.teacher(prompt=asked, image=start, generator=again, **self.teaching).images
            for i, image in zip(worse, improved, strict=True):
                images[i] = image
        return images, len(worse)


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def to_pixels(image: Image.Image) -> torch.Tensor:
    """(H, W, 3), floats 0..1."""
    return torch.from_numpy(numpy.asarray(image).copy()).float() / 255
