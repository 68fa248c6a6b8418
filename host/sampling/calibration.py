"""Scores of a student's images for many prompts, in bounded memory and so that nothing is done twice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import comfy.model_management
import torch

import nodes as core

from ...adaptive_diffusion.digest import weights_digest
from ...adaptive_diffusion.estimators.base import check_prompts
from ...adaptive_diffusion.gate.calibration import Found, Task
from ...adaptive_diffusion.gate.student import Student
from ...adaptive_diffusion.quoting import unquoted
from ..estimator import HostedEstimator
from ..rows.conditioning import Conditioning
from ..rows.latents import row_noise
from .call import Silent
from .drawing import Drawing, draw_all
from .samplers import sampler_names
from .schedules import STUDENT, scheduler_names
from .student import plan_student

CHUNK = 32
NEEDED = ("steps", "cfg", "sampler", "scheduler", "width", "height")


@dataclass(frozen=True)
class Calibration:
    """What draws and scores the images; prompt i is drawn with seed + i."""

    model: Any
    clip: Any
    vae: Any
    judge: HostedEstimator
    student: Student
    prompts: Sequence[str]
    seed: int
    batch: int
    negative: Conditioning | None

    @property
    def described(self) -> Task:
        """What its journal and its table say of it."""
        student = replace(self.student, vae=weights_digest(self.vae.first_stage_model.state_dict()))
        return Task(self.judge.described.settings, student, self.prompts, self.seed, self.batch)


def check(task: Calibration) -> None:
    """ValueError where the student's settings are unknown or would not be repeated, or a prompt is empty."""
    student = task.student
    for name in NEEDED:
        if getattr(student, name) is None:
            raise ValueError(f"the student's {name} is not known; link the student output of Student Sample")
    if student.sampler not in sampler_names() or student.scheduler not in scheduler_names(STUDENT):
        raise ValueError(
            f"the student was drawn with sampler {unquoted(student.sampler)} and schedule "
            f"{unquoted(student.scheduler)}, which cannot be repeated from their names; "
            "calibrate with Table from Scores instead"
        )
    if task.negative is None and (student.cfg != 1 or student.negative is not None):
        raise ValueError(
            f"the student runs at cfg {student.cfg:g}, which needs a negative; link the one it is used with"
        )
    linked = _pattern(task)[1]
    if told := linked.differences(student):
        names = f"of the student {unquoted(student.label)}, but the model is {unquoted(linked.label)}"
        alike = f" with {', '.join(told)}" if student.label == linked.label else ""
        raise ValueError(f"the settings are {names}{alike}; link one student")
    check_prompts(task.prompts)


def score_all(task: Calibration, starts: Sequence[int]) -> Iterator[Found]:
    """The scores of the batches that begin with these prompts, one batch after the other.

    The models take turns once per CHUNK images, not once per batch: all texts, all drawings, then image by image.
    """
    size = max(1, CHUNK // task.batch)
    for i in range(0, len(starts), size):
        drawn = _draw(task, starts[i : i + size])
        for first, latent in zip(starts[i : i + size], drawn, strict=True):
            comfy.model_management.throw_exception_if_processing_interrupted()
            images = core.VAEDecode().decode(task.vae, latent)[0]
            yield first, {"scores": task.judge.score(images, task.prompts[first : first + task.batch])}


def _draw(task: Calibration, starts: Sequence[int]) -> list[dict[str, torch.Tensor]]:
    """The latents of the batches that begin with these prompts."""
    numbers = [range(first, min(first + task.batch, len(task.prompts))) for first in starts]
    texts = {i: core.CLIPTextEncode().encode(task.clip, task.prompts[i])[0] for batch in numbers for i in batch}
    pattern = _pattern(task)[0]
    batches = [[_drawing(pattern, task.seed + i, texts[i]) for i in batch] for batch in numbers]
    return [
        {"samples": torch.cat([drawn.latent["samples"] for drawn in draw_all(drawings, task.batch, Silent())])}
        for drawings in batches
    ]


def _pattern(task: Calibration) -> tuple[Drawing, Student]:
    """How Student Sample draws a batch of one, but for seed and prompt, and who it is."""
    student: Any = task.student
    empty = core.EmptyLatentImage().generate(student.width, student.height, 1)[0]
    how = (student.steps, student.cfg, student.sampler, student.scheduler)
    return plan_student(task.model, [], empty, task.seed, *how, denoise=1.0, negative=task.negative)


def _drawing(pattern: Drawing, seed: int, positive: Conditioning) -> Drawing:
    noise = row_noise(pattern.latent, pattern.rows, seed)
    return replace(pattern, positive=positive, noise=noise, seed=seed)
