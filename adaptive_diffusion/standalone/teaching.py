"""What the teacher's pipeline makes of a student's images: refined, or drawn anew."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers import AutoPipelineForImage2Image, AutoPipelineForText2Image

from ..diffusion.noise import derive_seed
from ..gate.teacher import Teacher
from ..gate.ways import REFINE, REGENERATE
from .drawing import Drawn, Pipeline, accepts, draw
from .entry import entered
from .handover import start_of
from .identity import teacher_of
from .settings import of_pipeline, of_rollback


@dataclass(frozen=True)
class Teaching:
    """How the teacher is called, checked. settings: what its pipeline is called with.

    scale: in which `sigma` says where refining starts; None to leave it to diffusers.
    """

    strategy: str
    steps: int
    settings: dict[str, Any]
    sigma: float
    scale: str | None
    batch_size: int

    @classmethod
    def of(
        cls,
        strategy: str,
        steps: int,
        guidance: float,
        negative_prompt: str | None,
        sigma: float,
        scale: str | None,
        batch_size: int,
    ) -> "Teaching":
        """As the arguments of AdaptiveDiffusionPipeline say; ValueError in one sentence for bad ones."""
        settings = of_pipeline(steps, guidance, negative_prompt) | of_rollback(strategy, steps, sigma, scale)
        return cls(strategy, steps, settings, sigma, scale, batch_size)

    @property
    def identity(self) -> Teacher:
        """The teacher as it is called; not its name, which may not be loaded yet."""
        guidance, negative = self.settings["guidance_scale"], self.settings.get("negative_prompt")
        teacher = teacher_of(None, None, self.steps, guidance, self.strategy, self.sigma, self.scale, negative)
        return teacher if self.scale else replace(teacher, rollback_scale=None)  # diffusers' own is the schedule's

    def improve(
        self, teacher: Pipeline, student: Pipeline, drawn: Drawn, prompts: Sequence[str], seeds: Sequence[int]
    ) -> Drawn:
        """What the teacher makes of what the student drew, an image for each prompt and its seed."""
        sides = (drawn.pixels.shape[2], drawn.pixels.shape[3])
        return self.improve_from(teacher, lambda ready: start_of(drawn, student, ready), sides, prompts, seeds)

    def improve_from(
        self,
        teacher: Pipeline,
        start: Callable[[Pipeline], torch.Tensor],
        sides: tuple[int, int],
        prompts: Sequence[str],
        seeds: Sequence[int],
    ) -> Drawn:
        """The same of images of these sides (height, width). start: what the teacher refines, once it is one that does:
        latents (B, C, h, w) as it draws them, or pixels (B, 3, H, W).
        """
        teacher = in_mode(teacher, takes_image=self.strategy == REFINE)
        if self.strategy == REGENERATE:
            size = {"height": sides[0], "width": sides[1]}
            return draw(teacher, prompts, seeds, self.batch_size, self.settings | size)
        _check_renoising(teacher.scheduler)
        seeds = [derive_seed(seed, REFINE) for seed in seeds]
        first = start(teacher)
        with self._entered(teacher):
            return draw(teacher, prompts, seeds, self.batch_size, self.settings, first)

    def _entered(self, teacher: Pipeline) -> AbstractContextManager[None]:
        """While the teacher refines: its scheduler, entered at the rollback."""
        if self.scale is None:
            return nullcontext()
        return entered(teacher.scheduler, self.scale, self.sigma, self.steps)


def _check_renoising(scheduler: Any) -> None:
    """ValueError where a scheduler cannot put noise on an image, which is how image-to-image pipelines begin."""
    if not hasattr(scheduler, "add_noise") and not hasattr(scheduler, "scale_noise"):
        raise ValueError(
            f"the teacher's {type(scheduler).__name__} cannot add noise to an image, as refining does; "
            f"give it another scheduler, or choose strategy='{REGENERATE}'"
        )


def in_mode(pipeline: Pipeline, takes_image: bool) -> Pipeline:
    """The pipeline, or diffusers' image-to-image or text-to-image form of it over the same networks."""
    if accepts(pipeline, "image") == takes_image:
        return pipeline
    form = AutoPipelineForImage2Image if takes_image else AutoPipelineForText2Image
    try:
        made = form.from_pipe(pipeline)
    except ValueError:
        kind, strategy = ("image-to-image", REFINE) if takes_image else ("text-to-image", REGENERATE)
        raise ValueError(
            f"the teacher {type(pipeline).__name__} has no {kind} form in diffusers; "
            f"give one, as strategy='{strategy}' needs it"
        ) from None
    made.set_progress_bar_config(**getattr(pipeline, "_progress_bar_config", {}))
    return made
