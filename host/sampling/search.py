"""Candidates of the images of many batches: drawn, decoded and scored together, whichever still need one."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

import nodes as core

from ...adaptive_diffusion.gate.best_of_n import Found
from ...adaptive_diffusion.gate.decision import QualityScores
from ...adaptive_diffusion.gate.digest import image_digests
from ..estimator import HostedEstimator
from ..rows.latents import Latent, with_samples
from .call import Progress
from .drawing import Job, run_jobs
from .student import draw, redrawn
from .timing import STUDENT, timed


class Drawn(NamedTuple):
    """A candidate: its latent (C, ...) and its image (H, W, 3)."""

    latent: torch.Tensor
    image: torch.Tensor


class Kept(NamedTuple):
    """What was kept of a batch."""

    latent: Latent
    images: torch.Tensor
    scores: QualityScores
    candidates: tuple[int, ...]


class Searcher:
    """Draws for `search.best_of`, which numbers the images through all batches.

    jobs: a whole batch each. prompts: those of its images, for each batch. Candidate 0 is what Student Sample draws.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        prompts: Sequence[tuple[str, ...]],
        vae: Any,
        judge: HostedEstimator,
        max_batch: int,
    ):
        self.jobs, self.prompts, self.vae, self.judge, self.max_batch = jobs, prompts, vae, judge, max_batch
        self.images = [(batch, row) for batch, job in enumerate(jobs) for row in job.rows]

    def __call__(self, number: int, wanted: Sequence[int]) -> list[tuple[float, Drawn]]:
        """Score and drawing of candidate `number` of the images `wanted`, which ascend."""
        rows: dict[int, list[int]] = {}
        for batch, row in (self.images[i] for i in wanted):
            rows.setdefault(batch, []).append(row)
        latents = self._redraw(rows, number) if number else self._draw()
        pictures = [core.VAEDecode().decode(self.vae, latent)[0] for latent in latents]
        found: list[tuple[float, Drawn]] = []
        for (batch, picked), latent, images in zip(rows.items(), latents, pictures, strict=True):
            scores = self.judge.score(images, [self.prompts[batch][row] for row in picked])
            found += zip(scores, map(Drawn, latent["samples"], images), strict=True)
        return found

    def _draw(self) -> list[Latent]:
        progress = Progress(self.jobs[0].model, sum(len(job.sigmas) - 1 for job in self.jobs))
        return [with_samples(job.latent, draw(job, progress)) for job in self.jobs]

    def _redraw(self, rows: dict[int, list[int]], number: int) -> list[Latent]:
        jobs = [redrawn(self.jobs[batch], picked, number) for batch, picked in rows.items()]
        with timed(STUDENT, sum(map(len, rows.values()))):
            return run_jobs(jobs, self.max_batch)

    def kept(self, found: Sequence[Found[Drawn]]) -> list[Kept]:
        """What was found, batch by batch."""
        return [
            self._kept(batch, [best for best, (of, _) in zip(found, self.images, strict=True) if of == batch])
            for batch in range(len(self.jobs))
        ]

    def _kept(self, batch: int, found: Sequence[Found[Drawn]]) -> Kept:
        latent = with_samples(self.jobs[batch].latent, torch.stack([best.drawn.latent for best in found]))
        images = torch.stack([best.drawn.image for best in found])
        prompts = self.prompts[batch]
        scores = QualityScores(
            tuple(best.score for best in found),
            self.judge.estimator.name,
            self.judge.estimator.dtype,
            prompts=prompts,
            group=batch,
            groups=len(self.jobs),
            digests=image_digests(images, prompts),
        )
        return Kept(latent, images, scores, tuple(best.candidates for best in found))
