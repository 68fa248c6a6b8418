"""Making a student from beginning to end, in a folder that goes on wherever it was stopped."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..files import sweep
from ..quoting import quoted
from . import building, checkpoints, comfyui_keys, export, memory, pictures
from . import recipe as recipes
from .conversion import Conversion, converted_scheduler
from .data import Data
from .folder import ABOUT
from .latents import Latents, fill, maker
from .layouts import StableDiffusion
from .levels import Levels
from .loop import LOGS, Plan, Training
from .objective import Objective, result_of
from .recipe import Recipe
from .sampling import shown
from .teacher import Teacher

LATENTS = "latents"
LORAS, UNETS = "loras", "diffusion_models"
WORKFLOW, CARD, PROMPTS = "workflow.json", "README.md", "prompts.jsonl"
RESERVED = {
    *(LATENTS, LORAS, UNETS, checkpoints.FOLDER, pictures.FOLDER, LOGS),
    *(WORKFLOW.lower(), CARD.lower(), PROMPTS, pictures.WHOLE, ABOUT),
}
LONGEST = 180  # bytes of a name, to which files add theirs
OpenBar = Callable[[str, int, int], Any]


def make(layout: StableDiffusion, data: Data, recipe: Recipe, plan: Plan, run: Path, bar: OpenBar) -> None:
    """What the recipe makes, in the run's folder and in a file for ComfyUI; made now unless it is there.

    bar: given what is done, of how many images, and how many are there already, gives a tqdm. ValueError as the parts.
    """
    for name in (LORAS, UNETS, pictures.FOLDER):
        if (run / name).is_dir():
            sweep(run / name)
    if result_folder(run).is_dir():
        shutil.rmtree(run / checkpoints.FOLDER, ignore_errors=True)
        return
    latents = prepared(layout, data, recipe, plan, run, bar)
    teacher = building.teacher_of(layout)
    layout.release()
    objective = building.objective_of(recipe, teacher, latents)
    learn(objective, teacher, latents, plan, run, bar)
    file = comfyui_file(layout, recipe, run)
    if isinstance(objective, Conversion):
        export_model(objective, recipe, run, file, plan.dtype)
    else:
        export_student(objective, teacher, recipe, run, file, plan.dtype)
    shutil.rmtree(run / checkpoints.FOLDER, ignore_errors=True)


def check_name(run: Path) -> None:
    """ValueError where the run's name is that of a file or folder in every run, or too long for those that have it."""
    name = run.resolve().name
    if {name.lower(), f"{name.lower()}.json"} & RESERVED:
        raise ValueError(f"{quoted(run)} cannot be called so; choose a name for your student")
    if len(name.encode()) > LONGEST:
        raise ValueError(f"{quoted(name)} is a name of {len(name.encode())} bytes; choose one of at most {LONGEST}")


def check(layout: StableDiffusion, recipe: Recipe, plan: Plan, run: Path) -> None:
    """ValueError where the recipe does not fit the model, or the memory will not do for what is still to be made."""
    building.check(layout, recipe)
    if result_folder(run).is_dir():
        return
    needs = memory.estimate(layout, recipe, plan.batch, plan.dtype, layout.blank())
    free = memory.free_on(str(layout.network.device)) + sum(needs[name] for name in memory.LOADED)
    memory.check(needs, free, recipe, plan.batch, plan.dtype)


def prepared(layout: StableDiffusion, data: Data, recipe: Recipe, plan: Plan, run: Path, bar: OpenBar) -> Latents:
    """The latents of the data, made now where the run lacks them."""
    count = len(data.prompts)
    make = maker(layout, data, recipe.seed, plan.batch, recipe.teacher_steps, sum(recipe.guidance) / 2)
    with bar("images read" if data.images else "images drawn by the teacher", count, 0) as shown_bar:
        for done in fill(run / LATENTS, data, make):
            shown_bar.update(done)
    return Latents(run / LATENTS, count)


def learn(objective: Objective, teacher: Teacher, latents: Latents, plan: Plan, run: Path, bar: OpenBar) -> None:
    """Train to the plan's last step, with a row of pictures after every checkpoint."""
    training = Training(objective, latents, plan, run, str(teacher.network.device))

    def picture() -> None:
        pictures.keep(run, training.step, shown(teacher, objective, latents, plan.seed))

    if training.step and not pictures.has(run, training.step):
        picture()
    with bar("trained on", plan.steps * plan.batch, training.step * plan.batch) as shown_bar:
        for losses in training.run():
            shown_bar.set_postfix({f"{name}'s loss": f"{loss:.4f}" for name, loss in losses.items()})
            shown_bar.update(plan.batch)
            if training.is_milestone:
                picture()


def export_student(objective: Objective, teacher: Teacher, recipe: Recipe, run: Path, file: Path, dtype: str) -> None:
    """The file for ComfyUI first: a student's folder says that all is there."""
    network, layout = result_of(objective), teacher.layout
    if recipe.method == recipes.LCM_LORA:
        export.save_lora(network, layout, file, dtype)
        network = export.merged(network)
    else:
        _save_whole(network, teacher.network, teacher.levels, file, dtype, objective.guidance)
    pipeline = export.student_pipeline(layout, network, dtype)
    settings = {"size": list(recipe.size), "student": student_settings(recipe, file)}
    settings |= _comfyui(network, teacher.levels, file, teacher.levels)
    export.save_pipeline(pipeline, result_folder(run), settings)


def export_model(objective: Conversion, recipe: Recipe, run: Path, file: Path, dtype: str) -> None:
    """As `export_student`, of a model that was converted, with the scheduler that it needs."""
    network, old = result_of(objective), objective.old
    _save_whole(network, old.network, objective.levels, file, dtype, None)
    scheduler = converted_scheduler(old.layout.pipeline.scheduler, recipe.prediction, recipe.zero_snr)
    pipeline = export.with_network(old.layout, network, scheduler, dtype)
    settings = {"size": list(recipe.size), **_comfyui(network, objective.levels, file, old.levels)}
    export.save_pipeline(pipeline, result_folder(run), settings)


def _comfyui(network: Any, levels: Levels, file: Path, base: Levels) -> dict[str, Any]:
    """What ModelSamplingDiscrete is to be set to in ComfyUI, where it is needed.

    base: the levels of the model that a LoRA is added to, which says them itself.
    """
    if file.parent.name == LORAS:
        needed = comfyui_keys.sampling_beside(levels, base)
    else:
        needed = comfyui_keys.sampling_to_set(network, levels)
    return {"sampling": needed} if needed else {}


def _save_whole(network: Any, base: Any, levels: Levels, file: Path, dtype: str, guidance: float | None) -> None:
    if file.parent.name == LORAS:
        export.save_difference(network, base, file, dtype, guidance)
    else:
        export.save_unet(network, levels, file, dtype)


def student_settings(recipe: Recipe, file: Path) -> dict[str, Any]:
    """How the student is meant to be run. file: that for ComfyUI."""
    guided = recipe.method == recipes.LCM
    settings = {"steps": 1 if recipe.method == recipes.ADD else 4, "sampler": "lcm", "scheduler": "lcm"}
    cfg = {"cfg": sum(recipe.guidance) / 2, "guidance": recipe.guidance} if guided else {"cfg": 1.0}
    return {**settings, **cfg, "lora": file.parent.name == LORAS}


def result_folder(run: Path) -> Path:
    """Where the student or the model lies in a run, under the run's name: tables know a student by its folder's."""
    return run / run.resolve().name


def table_file(run: Path) -> Path:
    """Where the student's percentile table lies, once it is calibrated."""
    return run / f"{run.resolve().name}.json"


def gate_file(run: Path) -> Path:
    """Where the student's gate lies, once it is fitted; not under the table's name, which ComfyUI lists beside it."""
    return run / f"{run.resolve().name}-gate.safetensors"


def comfyui_file(layout: StableDiffusion, recipe: Recipe, run: Path) -> Path:
    """Where the file for ComfyUI lies in a run: in a folder called as the one in ComfyUI's models that it is for."""
    is_lora = recipe.method == recipes.LCM_LORA or not layout.is_cores
    return run / (LORAS if is_lora else UNETS) / f"{run.resolve().name}.safetensors"
