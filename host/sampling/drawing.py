"""Sending the rejected images of many batches through the teacher in as few sampling calls as their shapes allow."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ...adaptive_diffusion.diffusion.noise import derive_seed
from ..rows.conditioning import Conditioning, RowSlicer, signature
from ..rows.independence import check_conditioning, model_for_rows
from ..rows.latents import Latent, with_samples
from .call import Progress, Silent, sample
from .samplers import per_row


@dataclass
class Job:
    """The rejected images of one batch, ready for the teacher.

    latent, noise: clean latent and unit noise of the R rejected images; rows: their numbers in the full batch of
    `batch` images.
    positive, negative: the whole batch's conditioning, not yet sliced.
    """

    model: Any
    positive: Conditioning
    negative: Conditioning | None
    cfg: float
    latent: Latent
    noise: torch.Tensor
    rows: tuple[int, ...]
    seed: int
    sampler: Any
    sampler_key: Any
    sigmas: torch.Tensor
    batch: int

    def key(self) -> tuple:
        """Jobs of equal key can share a batch without changing any image."""
        mask = self.latent.get("noise_mask")
        return (
            id(self.model),
            self.cfg,
            self.sampler_key,
            tuple(self.sigmas.tolist()),
            self.noise.shape[1:],
            None if mask is None else mask.shape[1:],
            signature(self.positive),
            None if self.negative is None else signature(self.negative),
        )


Row = tuple[Job, int]


def run_jobs(jobs: Sequence[Job], max_batch: int, progress: Progress | Silent | None = None) -> list[Latent]:
    """Each job's latent with its images drawn; rows of equal `Job.key` are sampled together, up to `max_batch`.

    progress: what is told of every step; a bar with previews where none is given.
    """
    if not jobs:
        return []
    batches = [batch for rows in _pools(jobs) for batch in _chunks(rows, max_batch)]
    progress = progress or Progress(jobs[0].model, sum(len(batch[0][0].sigmas) - 1 for batch in batches))
    done: dict[tuple[int, int], torch.Tensor] = {}
    for batch in batches:
        samples = _sample_batch(batch, progress)
        done.update({(id(job), i): row for (job, i), row in zip(batch, samples, strict=True)})
    return [with_samples(job.latent, torch.stack([done[id(job), i] for i in range(len(job.rows))])) for job in jobs]


def _pools(jobs: Iterable[Job]) -> Iterable[list[Row]]:
    pools: dict[tuple, list[Row]] = {}
    for job in jobs:
        pools.setdefault(job.key(), []).extend((job, i) for i in range(len(job.rows)))
    return pools.values()


def _chunks(rows: list[Row], size: int) -> Iterable[list[Row]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _sample_batch(batch: list[Row], progress: Progress | Silent) -> torch.Tensor:
    parts = _by_job(batch)
    first = batch[0][0]
    rows = [[job.rows[i] for i in positions] for job, positions in parts]
    slicer = RowSlicer(rows, [job.batch for job, _ in parts])
    noise = torch.cat([job.noise[positions] for job, positions in parts])
    seeds = [derive_seed(job.seed, "steps", job.rows[i]) for job, i in batch]
    return sample(
        _model(parts, rows),
        slicer([job.positive for job, _ in parts]),
        None if first.negative is None else slicer([job.negative for job, _ in parts]),
        first.cfg,
        noise,
        _joined(parts),
        per_row(first.sampler, noise.to(first.model.load_device), first.sigmas, seeds),
        first.sigmas,
        first.seed,
        progress.callback(len(first.sigmas) - 1),
    )


def _model(parts: Sequence[tuple[Job, list[int]]], rows: Sequence[Sequence[int]]) -> Any:
    """The model for `rows`, numbers in the full batch of each part's job."""
    first = parts[0][0]
    if len(parts) == 1 and list(rows[0]) == list(range(first.batch)):
        return first.model
    for job, _ in parts:
        check_conditioning([*job.positive, *(job.negative or ())], job.batch)
    return model_for_rows(first.model, [row for part in rows for row in part], {job.batch for job, _ in parts})


def _by_job(batch: list[Row]) -> list[tuple[Job, list[int]]]:
    parts: list[tuple[Job, list[int]]] = []
    for job, i in batch:
        if not parts or parts[-1][0] is not job:
            parts.append((job, []))
        parts[-1][1].append(i)
    return parts


def _joined(parts: Sequence[tuple[Job, list[int]]]) -> Latent:
    joined = {"samples": torch.cat([job.latent["samples"][positions] for job, positions in parts])}
    if "noise_mask" in parts[0][0].latent:
        masks = [(job.latent["noise_mask"], positions) for job, positions in parts]
        joined["noise_mask"] = torch.cat([m[[i % m.shape[0] for i in positions]] for m, positions in masks])
    return joined
