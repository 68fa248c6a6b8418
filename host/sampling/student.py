"""A student's batch: what it takes to draw it, and to draw some of its images again."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from ...adaptive_diffusion.diffusion.noise import derive_seed
from ...adaptive_diffusion.gate.cost import takes_negative
from ...adaptive_diffusion.gate.outcome import OVERFLOWS
from ...adaptive_diffusion.gate.rows import Rows
from ...adaptive_diffusion.gate.student import Student
from ..rows.conditioning import Conditioning
from ..rows.latents import Latent, fit_to_model, row_noise, take, with_samples
from .call import Progress, sample
from .drawing import Drawing, Drawn
from .identity import conditioning_digest, dtype_name, guidance, model_name, patch_digest, patches, prompting
from .samplers import make_sampler
from .schedules import ModelSchedule, student_sigmas
from .timing import STUDENT, timed

GIVEN = "given by a link"


def plan_student(
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
) -> tuple[Drawing, Student]:
    """All images of a batch as one drawing, and who draws it; `sampler` and `sigmas` override their names."""
    latent = fit_to_model(model, latent_image)
    named = (sampler_name if sampler is None else GIVEN, _named(scheduler, denoise) if sigmas is None else GIVEN)
    asked = steps if sigmas is None else len(sigmas) - 1
    student = _student(model, latent, asked, cfg, named, positive, negative, seed)
    if sigmas is None:
        sigmas = student_sigmas(model, scheduler, steps, sampler_name, denoise)
    key = named if sampler is None else id(sampler)
    if sampler is None:
        sampler = make_sampler(sampler_name, ModelSchedule.of(model).flow, named[1])
    rows = Rows.whole(len(latent["samples"]))
    noise = row_noise(latent, rows, seed)
    return Drawing(model, positive, negative, cfg, latent, noise, rows, seed, sampler, key, sigmas), student


def other_steps(drawing: Drawing, student: Student) -> list[str]:
    """A sentence where the drawing runs another number of steps than were asked for, as KSampler does too."""
    run = len(drawing.sigmas) - 1
    told = f"ran {run} steps; scheduler {student.scheduler} has no list of {student.steps}"
    return [] if run == student.steps else [told]


def draw(drawing: Drawing, progress: Progress) -> Drawn:
    """The whole batch in one call, as KSampler draws it."""
    with timed(STUDENT, len(drawing.rows)):
        samples, spent = sample(
            drawing.model,
            drawing.positive,
            drawing.negative,
            drawing.cfg,
            drawing.noise,
            drawing.latent,
            drawing.sampler,
            drawing.sigmas,
            drawing.seed,
            progress.callback(len(drawing.sigmas) - 1),
        )
    return Drawn(with_samples(drawing.latent, samples), (spent,) * len(samples))


def check_drawn(latent: Latent) -> None:
    """ValueError where images came out with values that are not finite."""
    samples = latent["samples"]
    if broken := len(samples) - int(samples.isfinite().flatten(1).all(1).sum()):
        raise ValueError(f"{broken} of {len(samples)} images came out with NaN or infinite values; {OVERFLOWS}")


def redrawn(drawing: Drawing, rows: Sequence[int], number: int) -> Drawing:
    """Candidate `number`, above 0, of the images `rows` of a batch: each depends on seed, row and number alone."""
    seed, latent = derive_seed(drawing.seed, "candidate", number), take(drawing.latent, rows)
    part = drawing.rows.at(rows)
    return replace(drawing, latent=latent, noise=row_noise(latent, part, seed), rows=part, seed=seed)


def _student(
    model: Any,
    latent: Latent,
    steps: int,
    cfg: float,
    named: tuple[str, str],
    positive: Conditioning,
    negative: Conditioning | None,
    seed: int,
) -> Student:
    ratio = model.get_model_object("latent_format").spacial_downscale_ratio
    height, width = (ratio * side for side in latent["samples"].shape[-2:])
    return Student(
        model_name(model),
        steps,
        cfg,
        *named,
        width,
        height,
        patches(model),
        seed,
        patch_digest=patch_digest(model),
        guidance=guidance(model, positive),
        negative=conditioning_digest(negative) if takes_negative(cfg, named[0]) else None,
        dtype=dtype_name(model),
        conditioning=prompting(positive),
    )


def _named(scheduler: str, denoise: float) -> str:
    return scheduler if denoise == 1 else f"{scheduler} from {denoise:g}"
