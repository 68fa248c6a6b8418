"""The end of a training: a graph that uses the student, its card, and what to do with the files."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..estimators.weights import SAFETENSORS
from ..files import write_atomically
from ..quoting import quoted
from ..reading import read_json
from ..standalone import models
from . import making, workflow
from . import recipe as recipes
from .card import card
from .layouts import StableDiffusion, StableDiffusion3
from .recipe import Recipe

KEPT = "ComfyUI/user/adaptive_diffusion"


def finish(
    layout: StableDiffusion,
    recipe: Recipe,
    run: Path,
    about: Mapping[str, Any],
    scoring: Mapping[str, str] | None = None,
    figures: Sequence[str] = (),
) -> list[str]:
    """Write the graph, of a student, and the card; the sentences that a person needs.

    about: the settings; its `model` is the teacher. scoring: what scores, as options. figures: a sentence on each
    measured thing. ValueError where a part of the result is gone or damaged.
    """
    result, file = making.result_folder(run), making.comfyui_file(layout, recipe, run)
    is_student, teacher = recipe.method != recipes.CONVERT, str(about["model"])
    settings = _settings(result, "student" if is_student else "size")
    if not file.is_file():
        raise ValueError(f"{quoted(file)} is gone; put it back, or delete {quoted(result)} to have both made anew")
    scoring = scoring or {}
    lines = [f"For ComfyUI put {file.name} from {file.parent} into ComfyUI/models/{file.parent.name}."]
    if is_student:
        lines += _student_lines(
            recipe, run, file, settings, teacher, scoring.get("estimator"), isinstance(layout, StableDiffusion3)
        )
    if "sampling" in settings:
        sampling, zero_snr = settings["sampling"]
        kind = f"sampling {sampling}, zsnr {'on' if zero_snr else 'off'}"
        lines.append(f"Behind its loader put ModelSamplingDiscrete with {kind}: the file cannot say so itself.")
    lines.append(f"Without ComfyUI it is the folder {result}; {run / 'learning.png'} shows how it learned.")
    if is_student:
        lines.append(f"It draws by: {_command(run, teacher, about['dtype'], scoring)}")
    write_atomically(run / making.CARD, card(result.name, about, lines, figures).encode())
    return [*figures, *lines]


def _settings(result: Path, needed: str) -> dict[str, Any]:
    """What the result's folder says of itself; ValueError where that is damaged, or lacks what is `needed`."""
    damaged = f"{quoted(result)} is damaged; delete it to have it made again"
    settings = read_json(result / models.SETTINGS, damaged)
    if not isinstance(settings, dict) or needed not in settings:
        raise ValueError(damaged)
    return settings


def _student_lines(
    recipe: Recipe,
    run: Path,
    file: Path,
    settings: Mapping[str, Any],
    teacher: str,
    estimator: str | None,
    is_flow: bool,
) -> list[str]:
    student, lines, table = settings["student"], [], "this run"
    for made, folder in ((making.table_file(run), "percentiles"), (making.gate_file(run), "gates")):
        if made.is_file():
            table = made.stem
            lines.append(f"Put {made.name} into {KEPT}/{folder}; Threshold Gate then offers it.")
    checkpoint = None if teacher == models.DEMO else f"{Path(teacher).name.removesuffix(SAFETENSORS)}{SAFETENSORS}"
    nodes = workflow.graph(
        making.result_folder(run).name,
        student,
        models.settings(None if checkpoint else models.DEMO, "teacher"),
        recipe.size,
        table,
        workflow.ESTIMATOR if estimator is None else Path(estimator).name,
        checkpoint,
        _model_nodes(recipe, file, settings),
        is_flow,
    )
    write_atomically(run / making.WORKFLOW, json.dumps(nodes, indent=1).encode() + b"\n")
    sampled = f"{student['steps']} steps, sampler lcm, scheduler lcm, cfg 1"
    lines.append(f"Drag {run / making.WORKFLOW} onto ComfyUI's page: Student Sample in it has {sampled}.")
    if checkpoint:
        lines.append(f"Its teacher is {checkpoint} in ComfyUI/models/checkpoints; choose the file that is yours.")
    if estimator and estimator.startswith(models.VLM):
        lines.append("In place of Load Estimator link Judge from Text Encoder, with the text encoder that judged here.")
    return lines


def _command(run: Path, teacher: str, dtype: str, scoring: Mapping[str, str]) -> str:
    """The command that draws with a student: all its images, or those that its gate keeps and its teacher's.

    dtype: in which its table or gate was made.
    """
    options = {"student": making.result_folder(run), "teacher": teacher, "estimator": "FILE", **scoring}
    for name, made in (("gate", making.gate_file(run)), ("table", making.table_file(run))):
        if made.is_file():
            options |= {name: made} | ({} if dtype == models.hardware(None)["dtype"] else {"dtype": dtype})
            break
    else:
        options["k"] = 0
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return shlex.join(["python", "-m", "adaptive_diffusion", "generate", "PROMPT", "--out", "FOLDER", *words])


def _model_nodes(recipe: Recipe, file: Path, settings: Mapping[str, Any]) -> list[workflow.Node]:
    """What makes the student's model in ComfyUI."""
    if file.parent.name == making.LORAS:
        return [workflow.load_lora(file.name)]
    nodes = [workflow.load_unet(file.name)]
    if "sampling" in settings:
        nodes.append(workflow.model_sampling(*settings["sampling"]))
    if recipe.method == recipes.LCM:
        nodes.append(workflow.lcm_guidance(file.name, settings["student"]["cfg"]))
    return nodes
