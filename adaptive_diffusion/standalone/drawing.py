"""Drawing with a pipeline of diffusers, each image from a seed of its own, watched and counted."""

import inspect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..gate.cost import Spent
from ..parts import parts
from .counting import counting
from .noise import own_noise

Pipeline = Any  # diffusers loads its classes lazily, so that type checkers do not see them
NETWORKS = ("unet", "transformer", "transformer_2")


@dataclass(frozen=True)
class Drawn:
    """What a pipeline drew.

    pixels: (B, 3, H, W) in 0..1, on the CPU. latents: the last ones, steps: how many ran; None and 0 where the pipeline
    lets nobody watch. evaluations: of its network, for each image; NaN where it has none that is known.
    """

    pixels: torch.Tensor
    latents: torch.Tensor | None
    steps: int
    evaluations: tuple[float, ...]

    @property
    def finite(self) -> list[bool]:
        """Whether each image is free of NaN and infinite values, and so are the latents it was decoded from."""
        seen = [self.pixels] if self.latents is None else [self.pixels, self.latents]
        return [all(bool(part[i].isfinite().all()) for part in seen) for i in range(len(self.pixels))]

    def spent(self, asked: int) -> tuple[Spent, ...]:
        """What each image took; the steps `asked` for where nobody watched."""
        return tuple(Spent(self.steps or asked, evaluations) for evaluations in self.evaluations)

    def at(self, rows: Sequence[int]) -> "Drawn":
        """The images in these rows."""
        latents = None if self.latents is None else self.latents[list(rows)]
        return Drawn(self.pixels[list(rows)], latents, self.steps, tuple(self.evaluations[i] for i in rows))


class _Watcher:
    """A step callback that counts steps and keeps the last latents."""

    def __init__(self) -> None:
        self.steps = 0
        self.latents: torch.Tensor | None = None

    def __call__(self, _pipeline: Any, _step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        self.steps += 1
        self.latents = tensors.get("latents")
        return {}


def draw(
    pipeline: Pipeline,
    prompts: Sequence[str],
    seeds: Sequence[int],
    batch_size: int,
    settings: dict[str, Any],
    images: torch.Tensor | None = None,
) -> Drawn:
    """One image per prompt, `batch_size` at a time, each from its own seed's generator.

    settings: what else the pipeline is called with; None and a negative prompt it does not take are left out.
    images: (B, C, H, W) pixels or latents to start from, for image-to-image.
    """
    drawn = []
    for rows in parts(len(prompts), batch_size):
        inputs = {} if images is None else {"image": images[rows]}
        drawn.append(_draw_batch(pipeline, prompts[rows], seeds[rows], {**settings, **inputs}))
    latents = [part.latents for part in drawn if part.latents is not None]
    evaluations = tuple(count for part in drawn for count in part.evaluations)
    pixels = torch.cat([part.pixels for part in drawn])
    return Drawn(pixels, torch.cat(latents) if latents else None, drawn[0].steps, evaluations)


def _draw_batch(pipeline: Pipeline, prompts: Sequence[str], seeds: Sequence[int], settings: dict[str, Any]) -> Drawn:
    settings = {name: value for name, value in settings.items() if value is not None}
    if "negative_prompt" in settings:
        blank = {"negative_prompt": [settings.pop("negative_prompt")] * len(prompts)}
        settings |= blank if accepts(pipeline, "negative_prompt") else {}
    watcher = _Watcher()
    if accepts(pipeline, "callback_on_step_end"):
        settings["callback_on_step_end"] = watcher
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    with counting(*_networks(pipeline)) as counted, own_noise(pipeline.scheduler, seeds):
        pixels = pipeline(prompt=list(prompts), generator=generators, output_type="pt", **settings).images
    each = counted.rows / len(prompts) if counted.rows else math.nan
    return Drawn(pixels.float().cpu(), watcher.latents, watcher.steps, (each,) * len(prompts))


def _networks(pipeline: Pipeline) -> list[torch.nn.Module]:
    return [part for name in NETWORKS if (part := getattr(pipeline, name, None)) is not None]


def accepts(pipeline: Pipeline, name: str) -> bool:
    return name in inspect.signature(pipeline.__call__).parameters
