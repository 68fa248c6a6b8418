"""How generate draws what a tuning chose, as a command to copy."""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..bundled import DEMO_MODELS
from ..gate.routing import BEST_OF_N, KEPT_BETTER, STUDENT_ALONE, TEACHER_ALONE

if TYPE_CHECKING:
    from ..gate.tuned import Tuned


def tuned_command(chosen: argparse.Namespace, tuned: "Tuned", gate: Path) -> str:
    """The command, with all that was tuned with; or who draws so, where generate does not."""
    point = tuned.chosen.point
    if point.name == BEST_OF_N:
        return f"Best of N draws so, with {point.number} candidates at k 100; generate has no such thing."
    if point.name == TEACHER_ALONE:
        return f"To draw so: {_command(_alone(chosen, _teacher(chosen), point.number, chosen.teacher_cfg))}"
    if point.name == STUDENT_ALONE:
        return f"To draw so: {_command(_alone(chosen, chosen.student, point.number, chosen.student_cfg))}"
    told = f"To draw so: {_command(_gated(chosen, tuned, gate))}"
    if point.name == KEPT_BETTER:
        return f"{told} This puts the teacher's image in every time; Adaptive Merge keeps the better of both."
    return told


def _command(options: dict[str, Any]) -> str:
    words = [f"--{name}={value}" for name, value in options.items() if value is not None]
    return shlex.join(["python", "-m", "adaptive_diffusion", "generate", "PROMPT", "--out=FOLDER", *words])


def _teacher(chosen: argparse.Namespace) -> str:
    """The teacher by a name under which generate takes it for a student."""
    return str(DEMO_MODELS) if chosen.teacher == "demo" else chosen.teacher


def _shared(chosen: argparse.Namespace) -> dict[str, Any]:
    width, height = chosen.size
    scoring = {
        "estimator": chosen.estimator,
        "clip-tokenizer": chosen.clip_tokenizer,
        "clip-vision": chosen.clip_vision,
    }
    return {**scoring, "negative": chosen.negative, "size": f"{width}x{height}", "dtype": chosen.dtype}


def _alone(chosen: argparse.Namespace, model: str, steps: int, cfg: float) -> dict[str, Any]:
    return {"student": model, "student-steps": steps, "student-cfg": cfg, "k": 0, **_shared(chosen)}


def _gated(chosen: argparse.Namespace, tuned: "Tuned", gate: Path) -> dict[str, Any]:
    teacher = tuned.setting.teacher
    entry: dict[str, Any] = {"strategy": "regenerate"}
    if teacher.rollback:
        entry = {"sigma": teacher.rollback, "rollback-scale": chosen.rollback_scale}
    return {
        **{"student": chosen.student, "student-steps": tuned.student_steps, "student-cfg": chosen.student_cfg},
        **{"teacher": chosen.teacher, "teacher-steps": teacher.teacher_steps, "teacher-cfg": chosen.teacher_cfg},
        **{**entry, "table" if gate.suffix == ".json" else "gate": gate, "k": f"{tuned.k:g}", **_shared(chosen)},
    }
