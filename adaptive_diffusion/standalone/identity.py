"""Which student draws without ComfyUI, as tables and journals keep it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ..gate.settings import DIFFUSERS, NOTHING
from ..gate.student import Student
from ..gate.teacher import Teacher
from ..gate.ways import REFINE

DEMO_NAME = "demo"


def student_of(
    name: str | None,
    dtype: str,
    steps: int | None,
    guidance: float | None,
    width: int | None,
    height: int | None,
    negative: str | None,
    lora: bool | None = None,
) -> Student:
    """The student called `name` in these settings, None where not known.

    width, height: in pixels. negative: the prompt to avoid, which counts where there is guidance. lora: whether ComfyUI
    draws with it as a LoRA.
    """
    avoided = (negative or NOTHING) if (guidance or 0) > 1 else None
    return Student(name, steps, guidance, width=width, height=height, negative=avoided, dtype=dtype, lora=lora)


def teacher_of(
    name: str | None,
    dtype: str | None,
    steps: int,
    guidance: float,
    strategy: str,
    rollback: float | None,
    rollback_scale: str | None,
    negative: str | None,
) -> Teacher:
    """The teacher called `name` in these settings.

    rollback, rollback_scale: as the pipeline's sigma and rollback_scale; they do not count where it regenerates.
    """
    avoided = (negative or NOTHING) if guidance > 1 else None
    teacher = Teacher(name, strategy, steps, guidance, negative=avoided, dtype=dtype)
    scale = rollback_scale or DIFFUSERS
    return replace(teacher, rollback=rollback, rollback_scale=scale) if strategy == REFINE else teacher


def model_name(name: str) -> str:
    """What a model is called that a person names by its folder or file, or `demo`."""
    return DEMO_NAME if name == DEMO_NAME else Path(name).name


def pipeline_name(pipeline: Any) -> str | None:
    """The name of the folder that a pipeline of diffusers was loaded from; None where it does not know it."""
    folder = pipeline.config.get("_name_or_path")
    return Path(folder).name if folder else None
