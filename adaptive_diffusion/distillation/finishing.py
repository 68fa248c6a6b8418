"""The end of a training: a graph that uses the student, its card, and what to do with the files."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..estimators.weights import SAFETENSORS
from ..files import write_atomically
from ..reading import read_json
from ..standalone import models
from . import making, workflow
from . import recipe as recipes
from .card import card
from .layouts import StableDiffusion
from .recipe import Recipe

WORKFLOW, CARD = "workflow.json", "README.md"
KEPT = "ComfyUI/user/adaptive_diffusion"


def finish(
    layout: StableDiffusion,
    recipe: Recipe,
    run: Path,
    about: Mapping[str, Any],
    estimator: str | None = None,
    figures: Sequence[str] = (),
) -> list[str]:
    """Write the graph, of a student, and the card; the sentences that a person needs.

    about: the settings; its `model` is the teacher. estimator: what scores. figures: a sentence on each measured thing.
    """
    result = making.result_folder(run)
    settings = read_json(result / models.SETTINGS, "the training's result is damaged; delete it to have it made again")
    file = making.comfyui_file(layout, recipe, run)
    lines = [f"For ComfyUI put {file.name} from {file.parent} into ComfyUI/models/{file.parent.name}."]
    is_student, teacher = recipe.method != recipes.CONVERT, str(about["model"])
    if is_student:
        lines += _student_lines(recipe, run, file, settings, teacher, estimator)
    if "sampling" in settings:
        sampling, zero_snr = settings["sampling"]
        kind = f"sampling {sampling}, zsnr {'on' if zero_snr else 'off'}"
        lines.append(f"Behind its loader put ModelSamplingDiscrete with {kind}: the file cannot say so itself.")
    lines.append(f"Without ComfyUI it is the folder {result}; {run / 'learning.png'} shows how it learned.")
    if is_student:
        lines.append(f"It draws by: {_command(run, teacher, estimator)}")
    write_atomically(run / CARD, card(result.name, about, lines, figures).encode())
    return [*figures, *lines]


def _student_lines(
    recipe: Recipe, run: Path, file: Path, settings: Mapping[str, Any], teacher: str, estimator: str | None
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
    )
    write_atomically(run / WORKFLOW, json.dumps(nodes, indent=1).encode() + b"\n")
    sampled = f"{student['steps']} steps, sampler lcm, scheduler lcm, cfg 1"
    lines.append(f"Drag {run / WORKFLOW} onto ComfyUI's page: Student Sample in it has {sampled}.")
    if checkpoint:
        lines.append(f"Its teacher is {checkpoint} in ComfyUI/models/checkpoints; choose the file that is yours.")
    if estimator and estimator.startswith(models.VLM):
        lines.append("In place of Load Estimator link Judge from Text Encoder, with the text encoder that judged here.")
    return lines


def _command(run: Path, teacher: str, estimator: str | None) -> str:
    """The command that draws with a student: all its images, or those that its gate keeps and its teacher's."""
    options = {"student": making.result_folder(run), "teacher": teacher, "estimator": estimator or "FILE"}
    for name, made in (("gate", making.gate_file(run)), ("table", making.table_file(run))):
        if made.is_file():
            options[name] = made
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
