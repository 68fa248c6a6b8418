"""Models by the name that a person gives them: `demo`, or where their files lie."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from .. import estimators
from ..bundled import TABLES
from ..estimators import Estimator
from ..estimators.vlm import local
from ..estimators.weights import SAFETENSORS
from ..gate.learned import LearnedGate
from ..gate.percentiles import PercentileTable
from ..prompts import check_text
from ..quoting import listed, quoted
from ..reading import read_json
from . import demo
from .drawing import Pipeline
from .loading import INDEX, is_model, open_pipeline

DEMO, VLM, SETTINGS = "demo", "vlm:", "settings.json"
OFFICIAL = {
    "student": {"steps": 4, "cfg": 8.0},
    "teacher": {"steps": 12, "steps_alone": 12, "cfg": 8.0, "rollback": 0.7},
}


def settings(model: str | None, role: str) -> dict[str, Any]:
    """Steps, cfg and the teacher's rollback for a model of which nothing else is said; `steps_alone` to regenerate.

    The demo models have their own, and so have students that were made here; all others those that the official code
    begins with.
    """
    return demo.settings()[role] if model == DEMO else OFFICIAL[role] | _made(model).get(role, {})


def check_guidance(student: str, cfg: float) -> None:
    """ValueError where a student that takes guidance as an input is asked for one that it never learned."""
    low, high = _made(student).get("student", {}).get("guidance", (-math.inf, math.inf))
    if not low <= cfg <= high:
        raise ValueError(
            f"the student's guidance is {cfg:g}, but {quoted(Path(student).name)} learned it from {low:g} to {high:g}; "
            "give one between with --student-cfg"
        )


def size_of(model: str | None) -> tuple[int, int] | None:
    """Width and height, in pixels, of the images that a model which was made here learned; None for others."""
    found = _made(model).get("size")
    return (found[0], found[1]) if isinstance(found, list) and len(found) == 2 else None


def is_lora(student: str) -> bool | None:
    """Whether ComfyUI draws with a student that was made here as a LoRA; None for others."""
    return _made(student).get("student", {}).get("lora")


def _made(model: str | None) -> dict[str, Any]:
    """The settings in the folder of a student that was made here; none in others."""
    own = Path(model or "") / SETTINGS
    found = read_json(own, f"{quoted(own)} is damaged; write it again, or take it away") if own.is_file() else {}
    return found if isinstance(found, dict) else {}


def hardware(device: str | None) -> dict[str, str]:
    """The device where none is named, and the precision that suits it; ValueError for one that is not there."""
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:  # what torch raises where it was built without it, or has none
        raise ValueError(f"device is {quoted(device)}, which torch has not got here; choose cpu") from error
    return {"device": device, "dtype": "float32" if device == "cpu" else "float16"}


def check(*names: str | None) -> None:
    """FileNotFoundError unless every model that is named is `demo`, a folder in diffusers' format or a checkpoint."""
    for name in names:
        if name not in (None, DEMO) and not is_model(Path(name)):
            raise FileNotFoundError(
                f"there is no model in {quoted(name)}; name a folder with diffusers' {INDEX}, or "
                f"a {SAFETENSORS} checkpoint"
            )


def check_prompts(prompts: Sequence[str], *names: str | None) -> None:
    """ValueError where a prompt is no text, or a model is the demo's and it has words that it does not know."""
    for prompt in prompts:
        check_text(prompt)
    if DEMO in names:
        demo.check_prompt(" ".join(dict.fromkeys(word for prompt in prompts for word in prompt.split())))


def load_student(name: str, device: str, dtype: str) -> Pipeline:
    """A text-to-image pipeline."""
    return _ready(demo.load_student() if name == DEMO else _open(name, dtype), device, dtype)


def load_teacher(name: str, device: str, dtype: str) -> Pipeline:
    return _ready(demo.load_teacher() if name == DEMO else _open(name, dtype), device, dtype)


def load_estimator(name: str, device: str, clip_tokenizer: Path | None, clip_vision: Path | None) -> Estimator:
    """The demo's estimator, that of a file, or or the judge that a `vlm:FOLDER` makes; on `device`, in float32."""
    if name.startswith(VLM):
        return local.load(Path(name.removeprefix(VLM)), device=device)
    if name == DEMO:
        estimator = demo.load_estimator()
    else:
        estimator = estimators.load(name, clip_tokenizer=clip_tokenizer, clip_vision=clip_vision)
    estimator.module.to(device)
    return estimator


def load_table(name: str) -> PercentileTable:
    """A bundled table by its name, or any by its file; FileNotFoundError where it is neither."""
    return PercentileTable.load(_gauge_file(name, "table", ".json"))


def load_gate(name: str) -> LearnedGate:
    """A bundled gate by its name, or any by its file; FileNotFoundError where it is neither."""
    return LearnedGate.load(_gauge_file(name, "gate", SAFETENSORS))


def _gauge_file(name: str, kind: str, suffix: str) -> Path:
    bundled = {path.stem: path for path in sorted(TABLES.glob(f"*{suffix}"))}
    path = bundled.get(name, Path(name))
    if not path.is_file():
        raise FileNotFoundError(f"there is no {kind} {quoted(name)}; name a file, or one of {listed(bundled)}")
    return path


def _open(name: str, dtype: str) -> Pipeline:
    return open_pipeline(Path(name), getattr(torch, dtype))


def _ready(pipeline: Pipeline, device: str, dtype: str) -> Pipeline:
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device, getattr(torch, dtype))
