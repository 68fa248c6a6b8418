"""The end of a training: a graph that uses the student, its card, and what to do with the files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
    teacher: str | None,
    about: Mapping[str, Any],
    figures: Sequence[str],
) -> list[str]:
    """Write the graph, of a student, and the card; the sentences that a person needs.

    teacher: the name of its folder or file; None for the demo's. figures: what was measured, a sentence each.
    """
    result = making.result_folder(run)
    settings = read_json(result / models.SETTINGS, "the training's result is damaged; delete it to have it made again")
    file = making.comfyui_file(layout, recipe, run)
    lines = [f"For ComfyUI put {file.name} from {file.parent} into ComfyUI/models/{file.parent.name}."]
    if recipe.method != recipes.CONVERT:
        lines += _student_lines(recipe, run, file, settings, teacher)
    if "sampling" in settings:
        sampling, zero_snr = settings["sampling"]
        kind = f"sampling {sampling}, zsnr {'on' if zero_snr else 'off'}"
        lines.append(f"Behind its loader put ModelSamplingDiscrete with {kind}: the file cannot say so itself.")
    lines.append(f"Without ComfyUI it is the folder {result}; {run / 'learning.png'} shows how it learned.")
    write_atomically(run / CARD, card(result.name, about, lines, figures).encode())
    return [*figures, *lines]


def _student_lines(
    recipe: Recipe, run: Path, file: Path, settings: Mapping[str, Any], teacher: str | None
) -> list[str]:
    student, lines, table = settings["student"], [], "this run"
    for file_of, folder in ((making.table_file, "percentiles"), (making.gate_file, "gates")):
        if (made := file_of(run)).is_file():
            table = made.stem
            lines.append(f"Put {made.name} into {KEPT}/{folder}; Threshold Gate then offers it.")
    demo, checkpoint = teacher is None, f"{Path(teacher or '').stem}.safetensors"
    nodes = workflow.graph(
        making.result_folder(run).name,
        student,
        models.settings(models.DEMO if demo else None, "teacher"),
        recipe.size,
        table,
        demo,
        checkpoint,
        _model_nodes(recipe, file, settings),
    )
    write_atomically(run / WORKFLOW, json.dumps(nodes, indent=1).encode() + b"\n")
    sampled = f"{student['steps']} steps, sampler lcm, scheduler lcm, cfg 1"
    lines.append(f"Drag {run / WORKFLOW} onto ComfyUI's page: Student Sample in it has {sampled}.")
    return lines


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
