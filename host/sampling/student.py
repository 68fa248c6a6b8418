"""A student's batch: what it takes to draw it, and to draw some of its images again."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from ...adaptive_diffusion.diffusion.noise import derive_seed
from ...adaptive_diffusion.gate.decision import StudentInfo
from ..rows.conditioning import Conditioning
from ..rows.latents import Latent, fit_to_model, row_noise, take
from .call import Progress, sample
from .drawing import Job
from .models import model_name
from .samplers import make_sampler
from .schedules import ModelSchedule, entered_sigmas, full_sigmas
from .timing import STUDENT, timed

GIVEN = "given by a link"


def plan(
    model: Any,
    positive: Conditioning,
    latent_image: Latent,
    seed: int,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    denoise: float,
    negative: Conditioning | None = None,
    sampler: Any = None,
    sigmas: torch.Tensor | None = None,
) -> tuple[Job, StudentInfo]:
    """All images of a batch as one job, and how they are drawn; `sampler` and `sigmas` override their names."""
    latent = fit_to_model(model, latent_image)
    named = (sampler_name if sampler is None else GIVEN, _named(scheduler, denoise) if sigmas is None else GIVEN)
    if sigmas is None:
        sigmas = _sigmas(model, scheduler, steps, denoise, sampler_name)
    key = named if sampler is None else id(sampler)
    if sampler is None:
        sampler = make_sampler(sampler_name, ModelSchedule(model.get_model_object("model_sampling")).flow, named[1])
    rows = tuple(range(latent["samples"].shape[0]))
    noise = row_noise(latent, rows, len(rows), seed)
    job = Job(model, positive, negative, cfg, latent, noise, rows, seed, sampler, key, sigmas, len(rows))
    ratio = model.get_model_object("latent_format").spacial_downscale_ratio
    height, width = (ratio * side for side in noise.shape[-2:])
    return job, StudentInfo(model_name(model), len(sigmas) - 1, cfg, *named, width, height, _patches(model), seed)


def draw(job: Job, progress: Progress) -> torch.Tensor:
    """Samples (B, C, ...) of the whole batch in one call, as KSampler draws them."""
    callback = progress.callback(len(job.sigmas) - 1)
    with timed(STUDENT, len(job.rows)):
        return sample(
            job.model,
            job.positive,
            job.negative,
            job.cfg,
            job.noise,
            job.latent,
            job.sampler,
            job.sigmas,
            job.seed,
            callback,
        )


def redrawn(job: Job, rows: Sequence[int], number: int) -> Job:
    """Candidate `number`, above 0, of the images `rows` of a batch: each depends on seed, row and number alone."""
    seed, latent = derive_seed(job.seed, "candidate", number), take(job.latent, rows)
    noise = row_noise(latent, rows, job.batch, seed)
    return replace(job, latent=latent, noise=noise, rows=tuple(rows), seed=seed)


def _sigmas(model: Any, scheduler: str, steps: int, denoise: float, sampler_name: str) -> torch.Tensor:
    if denoise < 1:
        return entered_sigmas(model, scheduler, steps, "schedule", denoise, sampler_name)
    return full_sigmas(model, scheduler, steps, sampler_name)


def _named(scheduler: str, denoise: float) -> str:
    return scheduler if denoise == 1 else f"{scheduler} from {denoise:g}"


def _patches(model: Any) -> str | None:
    return f"{len(model.patches)} weights patched" if model.patches else None
