"""What a teacher makes of the images that a calibration draws."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

import nodes as core

from ...adaptive_diffusion.gate.cost import Spent, takes_negative
from ...adaptive_diffusion.gate.decision import QualityScores, decide
from ...adaptive_diffusion.gate.teacher import Teacher
from ...adaptive_diffusion.gate.verdicts import Verdicts
from ...adaptive_diffusion.gate.ways import REFINE, REGENERATE, STRATEGIES
from ...adaptive_diffusion.images import replaces
from ...adaptive_diffusion.quoting import quoted
from ..rows.conditioning import Conditioning
from ..rows.latents import Latent
from .calibration import Calibration, TimedDrawn, encode
from .call import Silent
from .identity import GUIDED, conditioning_digest, dtype_name, model_name, patch_digest, patches, vae_digest
from .schedules import REFINE as REFINE_SCHEDULERS
from .schedules import REGENERATE as REGENERATE_SCHEDULERS
from .schedules import entered_sigmas, full_sigmas, scheduler_names
from .teacher import Settings, improve, plan_refine, plan_regenerate

PLANS = {REFINE: plan_refine, REGENERATE: plan_regenerate}
SCHEDULERS = {REFINE: REFINE_SCHEDULERS, REGENERATE: REGENERATE_SCHEDULERS}
PAYER = "teacher"


@dataclass(frozen=True)
class Teaching:
    """The teacher of a calibration.

    settings: steps, cfg, sampler_name, scheduler, rollback and rollback_scale, as the node Teacher Refine has them.
    vae: the teacher's, where it is another than the student's.
    """

    model: Any
    clip: Any
    vae: Any
    negative: Conditioning | None
    strategy: str
    settings: Settings

    @property
    def described(self) -> Teacher:
        """What pairs say of it."""
        settings, refines = self.settings, self.strategy == REFINE
        return Teacher(
            model_name(self.model),
            self.strategy,
            settings["steps"],
            settings["cfg"],
            settings["sampler_name"],
            settings["scheduler"],
            settings["rollback"] if refines else None,
            settings["rollback_scale"] if refines else None,
            patches(self.model),
            patch_digest(self.model),
            self.model.get_attachment(GUIDED),
            conditioning_digest(self.negative) if takes_negative(settings["cfg"], settings["sampler_name"]) else None,
            dtype_name(self.model),
            vae_digest(self.vae),
        )

    def reads_latents_of(self, vae: Any) -> bool:
        """Whether it needs no encoded images where the student has this VAE."""
        return self.strategy == REGENERATE or vae is self.vae or vae_digest(vae) == vae_digest(self.vae)


def check_teaching(teaching: Teaching) -> None:
    """ValueError where these settings cannot run."""
    settings = teaching.settings
    if teaching.strategy not in PLANS:
        raise ValueError(f"there is no strategy {quoted(teaching.strategy)}; choose one of {', '.join(STRATEGIES)}")
    if settings["scheduler"] not in scheduler_names(SCHEDULERS[teaching.strategy]):
        raise ValueError(f"scheduler {quoted(settings['scheduler'])} cannot {teaching.strategy}; choose another one")
    if teaching.negative is None and settings["cfg"] != 1:
        raise ValueError(
            f"the teacher runs at cfg {settings['cfg']:g}, which needs a negative; link one, or set its cfg to 1"
        )
    how = (teaching.model, settings["scheduler"], settings["steps"])
    if teaching.strategy == REFINE:
        if not settings["rollback"] > 0:
            raise ValueError("rollback is 0, which leaves every image as it is; choose one above 0")
        entered_sigmas(*how, settings["rollback_scale"], settings["rollback"], settings["sampler_name"])
    else:
        full_sigmas(*how, settings["sampler_name"])


def teach(
    task: Calibration, teaching: Teaching, starts: Sequence[int], latents: Sequence[Latent], images: Sequence[Any]
) -> list[TimedDrawn]:
    """The improved latents of the batches that begin with these prompts, each image drawn as the teacher's node would.

    latents, images: the student's, for each of the batches; images are looked at where the teacher has another VAE.
    """
    texts = {i: encode(teaching.clip, task.prompts[i]) for first in starts for i in task.rows(first)}
    handed = latents if teaching.reads_latents_of(task.vae) else [_encoded(teaching.vae, batch) for batch in images]
    return [
        _taught(task, teaching, [texts[i] for i in task.rows(first)], first, latent)
        for first, latent in zip(starts, handed, strict=True)
    ]


def _encoded(vae: Any, images: torch.Tensor) -> Latent:
    return core.VAEEncode().encode(vae, images)[0]


def as_merged(images: torch.Tensor, students: torch.Tensor | None) -> torch.Tensor:
    """The teacher's images (B, H, W, 3); the student's where one may not take its place."""
    if students is None or images.shape != students.shape:
        return images
    broken = [place for place in range(len(images)) if not replaces(images[place], students[place])]
    return images if not broken else images.index_copy(0, torch.tensor(broken), students[broken])


def _taught(
    task: Calibration, teaching: Teaching, texts: Sequence[Conditioning], first: int, latent: Latent
) -> TimedDrawn:
    begun, count = time.perf_counter(), len(texts)
    verdicts = Verdicts(tuple(decide(_alone(task, first, i, count), float("inf")) for i in range(count)))
    inputs: dict[str, Sequence[Any]] = {
        "latent": [{"samples": latent["samples"][i : i + 1]} for i in range(count)],
        "model": [teaching.model],
        "positive": texts,
        "negative": [teaching.negative],
        "seed": [task.seed + first + i for i in range(count)],
        **{name: [value] for name, value in teaching.settings.items()},
    }
    improved = improve(verdicts, count, inputs, PLANS[teaching.strategy], PAYER, Silent())
    spent: tuple[Spent, ...] = tuple(decision.bills[0][PAYER] for decision in verdicts)
    samples = torch.cat([each["samples"] for each in improved])
    return TimedDrawn({"samples": samples}, spent, (time.perf_counter() - begun) / count)


def _alone(task: Calibration, first: int, place: int, count: int) -> QualityScores:
    """A batch of one image, as Student Sample draws each prompt of a list; what it scores does not matter here."""
    return QualityScores((0.0,), prompts=(task.prompts[first + place],), group=place, groups=count)
