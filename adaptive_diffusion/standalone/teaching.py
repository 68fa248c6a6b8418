"""What the teacher's pipeline makes of a student's images: refined, or drawn anew."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from diffusers import AutoPipelineForImage2Image, AutoPipelineForText2Image

from ..diffusion.noise import derive_seed
from ..diffusion.rollback import check_scale
from ..diffusion.schedules import TRAIN_STEPS
from ..gate.ways import REFINE, REGENERATE
from ..quoting import quoted
from .drawing import Drawn, Pipeline, accepts, draw
from .entry import entered
from .handover import start_of


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
        settings = sampling(steps, guidance, negative_prompt) | _rollback(strategy, steps, sigma, scale)
        return cls(strategy, steps, settings, sigma, scale, batch_size)

    def improve(
        self, teacher: Pipeline, student: Pipeline, drawn: Drawn, prompts: Sequence[str], seeds: Sequence[int]
    ) -> Drawn:
        """What the teacher makes of what the student drew, an image for each prompt and its seed."""
        teacher = in_mode(teacher, takes_image=self.strategy == REFINE)
        if self.strategy == REGENERATE:
            size = {"height": drawn.pixels.shape[2], "width": drawn.pixels.shape[3]}
            return draw(teacher, prompts, seeds, self.batch_size, self.settings | size)
        seeds = [derive_seed(seed, REFINE) for seed in seeds]
        start = start_of(drawn, student, teacher)
        with self._entered(teacher):
            return draw(teacher, prompts, seeds, self.batch_size, self.settings, start)

    def _entered(self, teacher: Pipeline) -> AbstractContextManager[None]:
        """While the teacher refines: its scheduler, entered at the rollback."""
        if self.scale is None:
            return nullcontext()
        return entered(teacher.scheduler, self.scale, self.sigma, self.steps)


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


def sampling(steps: int, guidance: float, negative_prompt: str | None) -> dict[str, Any]:
    """What any of diffusers' pipelines is called with."""
    return {"num_inference_steps": steps, "guidance_scale": guidance, "negative_prompt": negative_prompt}


def _rollback(strategy: str, steps: int, sigma: float, scale: str | None) -> dict[str, Any]:
    """How diffusers is asked to enter its schedule so that exactly `steps` steps are left.

    Where its scheduler is entered already, all of it. Else the few pipelines that round the number of steps up, as
    those of Stable Diffusion 3 and Flux, run one more.
    """
    if strategy == REGENERATE:
        return {}
    if strategy != REFINE:
        raise ValueError(f"strategy is {quoted(strategy)}; choose '{REFINE}' or '{REGENERATE}'")
    if scale is not None:
        check_scale(scale, sigma)
        return {"num_inference_steps": steps, "strength": 1.0}
    if not 0 < sigma < 1:
        raise ValueError(
            f"sigma is {sigma:g}; choose a value between 0 and 1, or strategy='{REGENERATE}' to redraw from pure noise"
        )
    total = int(steps / sigma + 1)
    if total > TRAIN_STEPS:
        raise ValueError(
            f"{steps} teacher steps at sigma {sigma:g} need a schedule of {total} steps, but diffusers' "
            f"end at {TRAIN_STEPS}; choose fewer steps or a larger sigma"
        )
    return {"num_inference_steps": total, "strength": sigma}
