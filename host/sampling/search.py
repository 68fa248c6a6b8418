"""Candidates of the images of many batches: drawn, decoded and scored together, whichever still need one."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

import nodes as core

from ...adaptive_diffusion.digest import image_digests
from ...adaptive_diffusion.estimators.base import Reading
from ...adaptive_diffusion.gate.best_of_n import Found
from ...adaptive_diffusion.gate.cost import Spent
from ...adaptive_diffusion.gate.decision import QualityScores
from ..hosted import Hosted
from ..rows.latents import Latent, with_samples
from .call import Progress
from .drawing import Drawing, Drawn, draw_all
from .student import draw, redrawn
from .timing import STUDENT, timed


class Candidate(NamedTuple):
    """One of an image: its latent (C, ...), its image (H, W, 3) and what the judge saw in it, (F,)."""

    latent: torch.Tensor
    image: torch.Tensor
    features: torch.Tensor


class Kept(NamedTuple):
    """What was kept of a batch."""

    latent: Latent
    images: torch.Tensor
    scores: QualityScores
    candidates: tuple[int, ...]
    spent: tuple[Spent, ...]


class Searcher:
    """Draws for `search.best_of`, which numbers the images through all batches.

    drawings: a whole batch each. prompts: those of its images, for each batch. Candidate 0 is Student Sample's drawing.
    """

    def __init__(
        self,
        drawings: Sequence[Drawing],
        prompts: Sequence[tuple[str, ...]],
        vae: Any,
        judge: Hosted,
        max_batch: int,
    ):
        self.drawings, self.prompts, self.vae, self.judge, self.max_batch = drawings, prompts, vae, judge, max_batch
        self.spent: dict[tuple[int, int], Spent] = {}
        self.images = [(batch, row) for batch, drawing in enumerate(drawings) for row in drawing.rows]

    def __call__(self, number: int, wanted: Sequence[int]) -> list[tuple[float, Candidate]]:
        """Score and drawing of candidate `number` of the images `wanted`, which ascend."""
        rows: dict[int, list[int]] = {}
        for batch, row in (self.images[i] for i in wanted):
            rows.setdefault(batch, []).append(row)
        drawn = self._redraw(rows, number) if number else self._draw()
        pictures = [core.VAEDecode().decode(self.vae, latent)[0] for latent, _ in drawn]
        found: list[tuple[float, Candidate]] = []
        for (batch, picked), (latent, spent), images in zip(rows.items(), drawn, pictures, strict=True):
            self._count([(batch, row) for row in picked], spent)
            scores, features = self._read(images, [self.prompts[batch][row] for row in picked])
            found += zip(scores.tolist(), map(Candidate, latent["samples"], images, features), strict=True)
        return found

    def _read(self, images: torch.Tensor, prompts: Sequence[str]) -> Reading:
        """What the judge says of the images: minus infinity of one that is not finite, so that any other is better."""
        finite = images.isfinite().flatten(1).all(1)
        texts = [prompt for prompt, whole in zip(prompts, finite, strict=True) if whole]
        scores = torch.full((len(images),), -math.inf)
        if not texts:
            return Reading(scores, torch.zeros(len(images), 0))
        read = self.judge.read(images[finite], texts)
        features = read.features.new_zeros(len(images), read.features.shape[1])
        scores[finite], features[finite] = read
        return Reading(scores, features)

    def _count(self, places: Sequence[tuple[int, int]], spent: Sequence[Spent]) -> None:
        for place, cost in zip(places, spent, strict=True):
            self.spent[place] = self.spent[place] + cost if place in self.spent else cost

    def _draw(self) -> list[Drawn]:
        progress = Progress(self.drawings[0].model, sum(len(drawing.sigmas) - 1 for drawing in self.drawings))
        return [draw(drawing, progress) for drawing in self.drawings]

    def _redraw(self, rows: dict[int, list[int]], number: int) -> list[Drawn]:
        drawings = [redrawn(self.drawings[batch], picked, number) for batch, picked in rows.items()]
        with timed(STUDENT, sum(map(len, rows.values()))):
            return draw_all(drawings, self.max_batch)

    def kept(self, found: Sequence[Found[Candidate]]) -> list[Kept]:
        """What was found, batch by batch."""
        return [
            self._kept(batch, [best for best, (of, _) in zip(found, self.images, strict=True) if of == batch])
            for batch in range(len(self.drawings))
        ]

    def _kept(self, batch: int, found: Sequence[Found[Candidate]]) -> Kept:
        latent = with_samples(self.drawings[batch].latent, torch.stack([best.drawn.latent for best in found]))
        images = torch.stack([best.drawn.image for best in found])
        prompts = self.prompts[batch]
        values = torch.tensor([best.score for best in found], dtype=torch.float64)
        features = [best.drawn.features for best in found]
        reading = Reading(values, torch.stack(features) if values.isfinite().all() else torch.zeros(len(found), 0))
        origin = {"group": batch, "groups": len(self.drawings), "digests": image_digests(images, prompts)}
        scores = QualityScores.read_by(self.judge.estimator, reading, prompts=prompts, **origin)
        spent = tuple(self.spent[batch, row] for row in self.drawings[batch].rows)
        return Kept(latent, images, scores, tuple(best.candidates for best in found), spent)
