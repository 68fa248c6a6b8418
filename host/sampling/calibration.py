"""Scores of a student's images for many prompts, in bounded memory and so that nothing is done twice."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import comfy.model_management
import node_helpers
import torch

import nodes as core

from ...adaptive_diffusion.estimators.base import check_prompts
from ...adaptive_diffusion.gate.calibration import Found, Task, chunks
from ...adaptive_diffusion.gate.cost import Spent
from ...adaptive_diffusion.gate.student import PLAIN, Student
from ...adaptive_diffusion.quoting import unquoted
from ..hosted import Hosted
from ..rows.conditioning import Conditioning
from ..rows.latents import Latent, row_noise
from .call import Silent
from .drawing import Drawing, draw_all
from .identity import GUIDED, prompting, vae_digest
from .samplers import sampler_names
from .schedules import STUDENT, scheduler_names
from .student import plan_student, redrawn

NEEDED = ("steps", "cfg", "sampler", "scheduler", "width", "height")


class TimedDrawn(NamedTuple):
    """The latent of a batch, what each of its images took, and the seconds of one on average."""

    latent: Latent
    spent: tuple[Spent, ...]
    seconds: float


@dataclass(frozen=True)
class Calibration:
    """What draws and scores the images; prompt i is drawn with seed + i."""

    model: Any
    clip: Any
    vae: Any
    judge: Hosted
    student: Student
    prompts: Sequence[str]
    seed: int
    batch: int
    negative: Conditioning | None

    @property
    def described(self) -> Task:
        """What its journal and its table say of it."""
        student = replace(self.student, vae=vae_digest(self.vae))
        return Task(self.judge.described.settings, student, self.prompts, self.seed, self.batch)

    def rows(self, first: int) -> range:
        """The numbers of the prompts of the batch that begins with this one."""
        return range(first, min(first + self.batch, len(self.prompts)))


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
    check_prompts(task.prompts)
    if student.conditioning not in (None, PLAIN) and student.conditioning != prompting(_text(task, task.prompts[0])):
        raise ValueError(
            "the student's prompt comes with more than its text, such as a ControlNet, an area or a size, which is not "
            "repeated; calibrate with Table from Scores instead"
        )
    linked = replace(_pattern(task)[1], conditioning=None)
    if told := linked.differences(student):
        names = f"of the student {unquoted(student.label)}, but the model is {unquoted(linked.label)}"
        alike = f" with {', '.join(told)}" if student.label == linked.label else ""
        raise ValueError(f"the settings are {names}{alike}; link one student")


def score_all(task: Calibration, starts: Sequence[int]) -> Iterator[Found]:
    """The scores of the batches that begin with these prompts, one batch after the other.

    The models take turns once per chunk, not once per batch: all texts, all drawings, then image by image.
    """
    for chunk in chunks(starts, task.batch):
        for first, drawn in zip(chunk, draw_batches(task, chunk), strict=True):
            images = decode(task.vae, drawn.latent)
            yield first, {"scores": task.judge.score(images, [task.prompts[i] for i in task.rows(first)])}


def draw_batches(task: Calibration, starts: Sequence[int], candidate: int = 0) -> list[TimedDrawn]:
    """The latents of the batches that begin with these prompts; candidate: above 0 for Best of N's further ones."""
    texts = {i: _text(task, task.prompts[i]) for first in starts for i in task.rows(first)}
    pattern = _pattern(task)[0]
    batches = [[_drawing(pattern, task.seed + i, texts[i], candidate) for i in task.rows(first)] for first in starts]
    return [_drawn(drawings) for drawings in batches]


def encode(clip: Any, prompt: str) -> Conditioning:
    return core.CLIPTextEncode().encode(clip, prompt)[0]


def decode(vae: Any, latent: Latent) -> torch.Tensor:
    """Images (B, H, W, 3) of a batch; where the run is interrupted, it ends here."""
    comfy.model_management.throw_exception_if_processing_interrupted()
    return core.VAEDecode().decode(vae, latent)[0]


def empty(task: Calibration) -> Latent:
    """The latent that a batch of one begins with."""
    student: Any = task.student
    return core.EmptyLatentImage().generate(student.width, student.height, 1)[0]


def _text(task: Calibration, prompt: str) -> Conditioning:
    """The prompt, with the guidance that the student's came with."""
    encoded = encode(task.clip, prompt)
    if task.student.guidance is None or task.model.get_attachment(GUIDED):
        return encoded
    return node_helpers.conditioning_set_values(encoded, {"guidance": task.student.guidance})


def _pattern(task: Calibration) -> tuple[Drawing, Student]:
    """How Student Sample draws a batch of one, but for seed and prompt, and who it is."""
    student: Any = task.student
    how = (student.steps, student.cfg, student.sampler, student.scheduler)
    return plan_student(task.model, [], empty(task), task.seed, *how, denoise=1.0, negative=task.negative)


def _drawn(drawings: Sequence[Drawing]) -> TimedDrawn:
    """The images of one batch, drawn together."""
    begun = time.perf_counter()
    parts = draw_all(drawings, len(drawings), Silent())
    samples = torch.cat([part.latent["samples"] for part in parts])
    spent = tuple(each for part in parts for each in part.spent)
    return TimedDrawn({"samples": samples}, spent, (time.perf_counter() - begun) / len(drawings))


def _drawing(pattern: Drawing, seed: int, positive: Conditioning, candidate: int) -> Drawing:
    own = replace(pattern, positive=positive, noise=row_noise(pattern.latent, pattern.rows, seed), seed=seed)
    return redrawn(own, list(own.rows), candidate) if candidate else own
