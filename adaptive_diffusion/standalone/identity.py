"""Which student draws without ComfyUI, as tables and journals keep it."""

from pathlib import Path
from typing import Any

from ..gate.student import Student

DEMO_NAME = "demo"


def student_of(
    name: str | None, dtype: str, steps: int, guidance: float, width: int, height: int, negative: str | None
) -> Student:
    """The student called `name` in these settings. width, height: in pixels; negative: the prompt to avoid."""
    avoided = (negative or None) if guidance > 1 else None
    return Student(name, steps, guidance, width=width, height=height, negative=avoided, dtype=dtype)


def pipeline_name(pipeline: Any) -> str | None:
    """The name of the folder that a pipeline of diffusers was loaded from; None where it does not know it."""
    folder = pipeline.config.get("_name_or_path")
    return Path(folder).name if folder else None
