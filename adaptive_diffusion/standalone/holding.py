"""Holding a student's rejected images for a teacher that is loaded later, and improving those that were held."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from ..digest import weights_digest
from ..gate.decision import GateDecision
from ..holding import results
from ..holding.batches import HeldBatch, batches, held_images
from ..holding.folder import HeldFolder
from ..holding.image import HeldImage
from ..holding.origin import Origin
from ..parts import parts
from ..report import record
from .drawing import Drawn, Pipeline
from .improved import channels_last, put_back, to_pil
from .teaching import Teaching


class Holding:
    """Called in the place of a teacher: puts the rejected images of what `student` drew into a folder."""

    def __init__(self, folder: HeldFolder, student: Pipeline):
        self.folder, self.student = folder, student
        self._vae = _vae_letters(student)

    def __call__(self, decision: GateDecision, drawn: Drawn, seeds: Sequence[int]) -> None:
        """drawn: the rejected images. seeds: of all images."""
        latents = None if self._vae is None else _decoded_form(self.student.vae, drawn.latents)
        images = held_images(decision, channels_last(drawn.pixels), seeds, latents)
        self.folder.add(Origin.of(decision, self._vae), images)


def improve_held(
    folder: HeldFolder, images: Mapping[str, HeldImage], teacher: Pipeline, teaching: Teaching
) -> Iterator[str]:
    """Improve images that were taken from a folder, those of one size together; yields what each became, once done."""
    origin = folder.origin
    sizes: dict[tuple[int, ...], dict[str, HeldImage]] = {}
    for name, image in images.items():
        sizes.setdefault(image.image.shape, {})[name] = image
    for alike in sizes.values():
        for rows in parts(len(alike), teaching.batch_size):
            part = dict(list(alike.items())[rows])
            held = batches(origin, part, folder.finish)
            improved = _taught(held, origin, teacher, teaching)
            yield from _finished(held, improved, teaching.steps)


def _taught(held: Sequence[HeldBatch], origin: Origin, teacher: Pipeline, teaching: Teaching) -> Drawn:
    """What the teacher makes of all images of the batches, in their order."""
    pixels = torch.cat([batch.images for batch in held]).movedim(-1, 1)
    prompts = [batch.prompt for batch in held for _ in batch.images]
    seeds = [batch.seed for batch in held for _ in batch.images]
    latents = [batch.latent for batch in held if batch.latent is not None]

    def start(ready: Pipeline) -> torch.Tensor:
        if len(latents) < len(held) or origin.vae is None or _vae_letters(ready) != origin.vae:
            return pixels
        return _drawn_form(ready.vae, torch.cat(latents)).to(ready.device, ready.dtype)

    return teaching.improve_from(teacher, start, (pixels.shape[2], pixels.shape[3]), prompts, seeds)


def _finished(held: Sequence[HeldBatch], improved: Drawn, steps: int) -> Iterator[str]:
    first = 0
    for batch in held:
        rows = range(first, first + len(batch.images))
        finals, decision = put_back(batch.decision, batch.images, improved.at(rows), steps)
        for position, entry in enumerate(record(decision)):
            word, keep = decision.became(position), decision.outcomes[position].keep
            if keep:
                keep(results.picture(to_pil(finals[position]), entry, word))
            yield word
        first = rows.stop


def _vae_letters(pipeline: Pipeline) -> str | None:
    """Letters for the pipeline's decoder; None where its latents have no plain scale."""
    vae: Any = getattr(pipeline, "vae", None)
    config = getattr(vae, "config", {})
    if config.get("scaling_factor") is None or config.get("latents_mean") is not None:
        return None
    return weights_digest(vae.state_dict())


def _decoded_form(vae: Any, latents: torch.Tensor | None) -> torch.Tensor | None:
    """Latents (B, C, h, w) that diffusers drew, as the decoder takes them and ComfyUI keeps them; None for others."""
    if latents is None or latents.ndim != 4:
        return None
    return latents.float().cpu() / vae.config.scaling_factor + _shift(vae)


def _drawn_form(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """The inverse of `_decoded_form`."""
    return (latents - _shift(vae)) * vae.config.scaling_factor


def _shift(vae: Any) -> float:
    return vae.config.get("shift_factor") or 0.0
