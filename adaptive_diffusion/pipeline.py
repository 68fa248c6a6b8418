"""The method on diffusers pipelines: the student draws all images, the teacher improves the rejected ones."""

import inspect
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoPipelineForImage2Image, AutoPipelineForText2Image, DiffusionPipeline
from PIL import Image

from .decision import GateDecision, QualityScores, StudentInfo, decide
from .estimators import Estimator
from .noise import derive_seed
from .percentiles import PercentileTable
from .schedules import TRAIN_STEPS

REFINE, REGENERATE = "refine", "regenerate"
IMG2IMG_LATENT_CHANNELS = 4


@dataclass(frozen=True)
class AdaptiveResult:
    """What a run made, in the prompts' order.

    pixels, student_pixels: (B, H, W, 3) float32 in 0..1, on the CPU; equal bit for bit where the student was accepted.
    seeds, steps: one per image; steps count the student's and the teacher's as they ran.
    """

    pixels: torch.Tensor
    student_pixels: torch.Tensor
    decision: GateDecision
    seeds: tuple[int, ...]
    steps: tuple[int, ...]

    @property
    def images(self) -> list[Image.Image]:
        return [_to_pil(picture) for picture in self.pixels]

    @property
    def student_images(self) -> list[Image.Image]:
        return [_to_pil(picture) for picture in self.student_pixels]

    @property
    def average_steps(self) -> float:
        return sum(self.steps) / len(self.steps)


@dataclass(frozen=True)
class _Drawn:
    """pixels: (B, 3, H, W) in 0..1. latents: the last ones, steps: how many ran; None, 0 if it cannot be watched."""

    pixels: torch.Tensor
    latents: torch.Tensor | None
    steps: int


class AdaptiveDiffusionPipeline:
    """Student, estimator and teacher as one text-to-image pipeline (arXiv 2312.10835, Algorithm 1).

    estimator: see `estimators.Estimator`. student: any text-to-image DiffusionPipeline.
    teacher: a DiffusionPipeline, or a function without arguments that returns one and that is called when an image
    was rejected for the first time; None serves where k is 0.
    """

    def __init__(
        self,
        estimator: Estimator,
        student: DiffusionPipeline,
        teacher: DiffusionPipeline | Callable[[], DiffusionPipeline] | None,
    ):
        self.estimator = estimator
        self.student = student
        self.table: PercentileTable | None = None
        self._teacher = teacher

    @property
    def teacher(self) -> DiffusionPipeline:
        """The teacher, loaded now if it was given as a function."""
        if self._teacher is not None and not isinstance(self._teacher, DiffusionPipeline):
            self._teacher = self._teacher()
        return self._teacher

    def load_score_percentiles(self, path: str | Path) -> None:
        """Use the percentile table in this file for every run that is given none; ValueError if it is no table."""
        self.table = PercentileTable.load(Path(path))

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | Sequence[str],
        num_inference_steps_student: int = 4,
        num_inference_steps_teacher: int = 12,
        student_guidance: float = 8.0,
        teacher_guidance: float = 8.0,
        sigma: float = 0.7,
        k: float = 50,
        seed: int | Sequence[int] = 0,
        table: PercentileTable | None = None,
        strategy: str = REFINE,
        negative_prompt: str | None = None,
        height: int | None = None,
        width: int | None = None,
        batch_size: int = 8,
    ) -> AdaptiveResult:
        """Draw one image per prompt and improve the worst `k` percent (0..100; 0 never loads the teacher).

        seed: one per prompt, or the first one's, the others counting up from it. An image depends on its prompt and
            seed, not on its neighbours.
        sigma: how far strategy "refine" rolls back, as the official pipeline takes it: a fraction of the time axis, at
            which the last `num_inference_steps_teacher` of int(steps / sigma + 1) steps run. "regenerate" ignores it
            and starts from the seed's noise, as the student did.
        table: percentiles the threshold is taken from; without one, those of this run's own scores.
        negative_prompt: for every pipeline that takes one. height, width: of all images, in pixels.
        A teacher that takes the student's latents (four channels, an equal VAE) starts from them, any other one from
        float pixels; what it returns is brought to the student's size.
        ValueError in one sentence for an unusable value, TypeError where a pipeline lacks a setting.
        """
        prompts = _prompts(prompt)
        seeds = _seeds(seed, len(prompts))
        _check_steps(num_inference_steps_student, num_inference_steps_teacher, batch_size)
        table = table or self.table
        self._check_gate(k, table, len(prompts))
        teaching = _teacher_settings(strategy, num_inference_steps_teacher, sigma)

        common = {"negative_prompt": negative_prompt, "height": height, "width": width}
        settings = {"num_inference_steps": num_inference_steps_student, "guidance_scale": student_guidance, **common}
        drawn = _draw(self.student, prompts, seeds, batch_size, settings)
        size = {"height": drawn.pixels.shape[2], "width": drawn.pixels.shape[3]}
        info = StudentInfo(steps=num_inference_steps_student, cfg=student_guidance, **size)
        decision = self._judge(drawn, prompts, k, table, info)
        steps = [drawn.steps or num_inference_steps_student] * len(prompts)
        pixels = drawn.pixels
        if decision.any_rejected:
            teaching |= {"guidance_scale": teacher_guidance, "negative_prompt": negative_prompt}
            improved = self._improve(drawn, decision, seeds, batch_size, strategy, teaching)
            pixels = decision.scatter(pixels, _resized(improved.pixels, **size))
            for i in decision.rejected:
                steps[i] += improved.steps or num_inference_steps_teacher
        return AdaptiveResult(_channels_last(pixels), _channels_last(drawn.pixels), decision, seeds, tuple(steps))

    def _check_gate(self, k: float, table: PercentileTable | None, count: int) -> None:
        if not 0 <= k <= 100:
            raise ValueError(f"k is {k:g}; choose a percentage from 0 to 100")
        if k > 0 and self._teacher is None:
            raise ValueError(f"k is {k:g}, but there is no teacher; give one, or choose k=0")
        if table is not None:
            table.threshold(k)
        elif count == 1 and 0 < k < 100:
            raise ValueError("one image alone has no percentiles; give a table, or choose k=0 or k=100")

    def _judge(
        self, drawn: _Drawn, prompts: list[str], k: float, table: PercentileTable | None, student: StudentInfo
    ) -> GateDecision:
        values = self.estimator.score(_channels_last(drawn.pixels), prompts).tolist()
        scores = QualityScores(tuple(values), self.estimator.name, self.estimator.dtype, tuple(prompts))
        judge = {"name": scores.estimator, "dtype": scores.dtype}
        table = table or PercentileTable.from_scores("this run", scores.values, judge)
        _check_table(table, judge, student)
        return decide(scores, table.threshold(k), table.name, k, student)

    def _improve(
        self,
        drawn: _Drawn,
        decision: GateDecision,
        seeds: Sequence[int],
        batch_size: int,
        strategy: str,
        settings: dict[str, Any],
    ) -> _Drawn:
        """What the teacher makes of the rejected images, in their order."""
        teacher = in_mode(self.teacher, takes_image=strategy == REFINE)
        prompts = [decision.scores.prompts[i] for i in decision.rejected]
        seeds = [seeds[i] for i in decision.rejected]
        if strategy == REGENERATE:
            settings = {**settings, "height": drawn.pixels.shape[2], "width": drawn.pixels.shape[3]}
            return _draw(teacher, prompts, seeds, batch_size, settings)
        seeds = [derive_seed(seed, REFINE) for seed in seeds]
        start = drawn.latents if _shares_latents(self.student, teacher, drawn.latents) else drawn.pixels
        return _draw(teacher, prompts, seeds, batch_size, settings, decision.take(start))


def in_mode(pipeline: DiffusionPipeline, takes_image: bool) -> DiffusionPipeline:
    """The pipeline, or diffusers' image-to-image or text-to-image form of it over the same networks."""
    if _accepts(pipeline, "image") == takes_image:
        return pipeline
    form = AutoPipelineForImage2Image if takes_image else AutoPipelineForText2Image
    try:
        return form.from_pipe(pipeline)
    except ValueError:
        kind, strategy = ("image-to-image", REFINE) if takes_image else ("text-to-image", REGENERATE)
        raise ValueError(
            f"the teacher {type(pipeline).__name__} has no {kind} form in diffusers; "
            f"give one, as strategy='{strategy}' needs it"
        ) from None


class _Watcher:
    """A step callback that counts steps and keeps the last latents."""

    def __init__(self) -> None:
        self.steps = 0
        self.latents: torch.Tensor | None = None

    def __call__(self, _pipeline: Any, _step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        self.steps += 1
        self.latents = tensors.get("latents")
        return {}


def _draw(
    pipeline: DiffusionPipeline,
    prompts: Sequence[str],
    seeds: Sequence[int],
    batch_size: int,
    settings: dict[str, Any],
    images: torch.Tensor | None = None,
) -> _Drawn:
    """One image per prompt, in batches, each from a generator of its own; `images` (B, C, H, W) to start from."""
    parts = []
    for start in range(0, len(prompts), batch_size):
        rows = slice(start, start + batch_size)
        inputs = {} if images is None else {"image": images[rows]}
        parts.append(_draw_batch(pipeline, prompts[rows], seeds[rows], {**settings, **inputs}))
    latents = [part.latents for part in parts if part.latents is not None]
    return _Drawn(torch.cat([part.pixels for part in parts]), torch.cat(latents) if latents else None, parts[0].steps)


def _draw_batch(
    pipeline: DiffusionPipeline, prompts: Sequence[str], seeds: Sequence[int], settings: dict[str, Any]
) -> _Drawn:
    settings = {name: value for name, value in settings.items() if value is not None}
    if "negative_prompt" in settings:
        blank = {"negative_prompt": [settings.pop("negative_prompt")] * len(prompts)}
        settings |= blank if _accepts(pipeline, "negative_prompt") else {}
    watcher = _Watcher()
    if _accepts(pipeline, "callback_on_step_end"):
        settings["callback_on_step_end"] = watcher
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    pixels = pipeline(prompt=list(prompts), generator=generators, output_type="pt", **settings).images
    return _Drawn(pixels.float().cpu(), watcher.latents, watcher.steps)


def _accepts(pipeline: DiffusionPipeline, name: str) -> bool:
    return name in inspect.signature(pipeline.__call__).parameters


def _shares_latents(student: DiffusionPipeline, teacher: DiffusionPipeline, latents: torch.Tensor | None) -> bool:
    """Whether the teacher reads the student's latents as they are; diffusers tells latents by their four channels."""
    if latents is None or latents.ndim != 4 or latents.shape[1] != IMG2IMG_LATENT_CHANNELS:
        return False
    vaes = [getattr(pipeline, "vae", None) for pipeline in (student, teacher)]
    if None in vaes or type(vaes[0]) is not type(vaes[1]):
        return False
    first, second = ({k: v for k, v in vae.config.items() if not k.startswith("_")} for vae in vaes)
    return first == second


def _teacher_settings(strategy: str, steps: int, sigma: float) -> dict[str, Any]:
    """How diffusers is asked for exactly `steps` steps of the teacher."""
    if strategy == REGENERATE:
        return {"num_inference_steps": steps}
    if strategy != REFINE:
        raise ValueError(f"strategy is '{strategy}'; choose '{REFINE}' or '{REGENERATE}'")
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


def _prompts(prompt: str | Sequence[str]) -> list[str]:
    prompts = [prompt] if isinstance(prompt, str) else list(prompt)
    if not prompts:
        raise ValueError("there is no prompt; give at least one")
    for number, text in enumerate(prompts):
        if not text.strip():
            raise ValueError(f"prompt {number} is empty; say what its image should show")
    return prompts


def _seeds(seed: int | Sequence[int], count: int) -> tuple[int, ...]:
    seeds = tuple(range(seed, seed + count)) if isinstance(seed, int) else tuple(seed)
    if len(seeds) != count:
        raise ValueError(f"{len(seeds)} seeds came for {count} prompts; give one seed, or one for each prompt")
    return seeds


def _check_steps(student: int, teacher: int, batch_size: int) -> None:
    counts = {"num_inference_steps_student": student, "num_inference_steps_teacher": teacher, "batch_size": batch_size}
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} is {count}; choose at least 1")


def _check_table(table: PercentileTable, judge: dict[str, str], student: StudentInfo) -> None:
    """Refuse a table of another estimator or precision; warn of one of another student."""
    for key, now in judge.items():
        if table.estimator.get(key, now) != now:
            raise ValueError(
                f"table '{table.name}' was made with the estimator {key} {table.estimator[key]}, but this "
                f"one's is {now}; give a table of this estimator's scores"
            )
    if differences := table.differences(student):
        warnings.warn(f"table '{table.name}' was made with another student: {', '.join(differences)}", stacklevel=4)


def _resized(pixels: torch.Tensor, height: int, width: int) -> torch.Tensor:
    if pixels.shape[2:] == (height, width):
        return pixels
    return torch.nn.functional.interpolate(pixels, (height, width), mode="bicubic", antialias=True).clamp(0, 1)


def _channels_last(pixels: torch.Tensor) -> torch.Tensor:
    return pixels.movedim(1, -1).contiguous()


def _to_pil(picture: torch.Tensor) -> Image.Image:
    return Image.fromarray((picture * 255).round().byte().numpy())
