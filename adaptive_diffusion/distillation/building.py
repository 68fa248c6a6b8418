"""From a teacher's pipeline and a recipe to what is trained."""

import copy
from pathlib import Path
from typing import Any

import torch
from diffusers.training_utils import cast_training_params
from peft import LoraConfig

from ..quoting import quoted
from ..standalone.loading import open_pipeline
from ..standalone.teaching import in_mode
from . import recipe as recipes
from .adversary import Adversary
from .averaging import Averaged
from .consistency import GUIDANCE_WIDTH, Consistency
from .conversion import Conversion, converted_scheduler
from .features import DinoFeatures, Features, TeacherFeatures, dino
from .latents import Latents, decode
from .layouts import StableDiffusion, layout_of
from .levels import Levels
from .objective import Objective
from .recipe import Recipe
from .score_distillation import ScoreDistillation
from .teacher import Teacher
from .weights import check_weights


def open_teacher(folder: Path, size: tuple[int, int] | None, dtype: str, device: str) -> StableDiffusion:
    """The model in a folder, to be distilled; its autoencoder in float32. size: in pixels, the model's own by default.

    ValueError where its class is not known, or its autoencoder cannot take the size.
    """
    pipeline = open_pipeline(folder, getattr(torch, dtype))
    layout_of(pipeline, (0, 0))
    check_weights(pipeline, folder)
    pipeline = in_mode(pipeline, takes_image=False).to(device)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.vae.to(torch.float32)
    for part in (pipeline.vae, layout_of(pipeline, (0, 0)).network):
        part.to(memory_format=torch.channels_last)
    layout = layout_of(pipeline, size or (0, 0))
    layout.size = size or (layout.own_size,) * 2
    _check_size(layout)
    return layout


def _check_size(layout: StableDiffusion) -> None:
    multiple, most, (width, height) = layout.multiple, layout.most, layout.size
    if most and max(width, height) > most:
        raise ValueError(f"size is {width}x{height}, but the teacher knows places up to {most} px alone; give less")
    if width % multiple or height % multiple or not width or not height:
        nearest = "x".join(str(max(multiple, round(side / multiple) * multiple)) for side in layout.size)
        raise ValueError(
            f"size is {width}x{height}, but the teacher's autoencoder takes multiples of {multiple}; give {nearest}"
        )


def teacher_of(layout: StableDiffusion) -> Teacher:
    """The teacher, frozen."""
    network = layout.network
    network.requires_grad_(False)
    levels = Levels.of(layout.pipeline.scheduler).to(network.device)
    blank = {name: value.to(network.device) for name, value in layout.blank().items()}
    return Teacher(network, layout, levels, blank)


def objective_of(recipe: Recipe, teacher: Teacher, latents: Latents) -> Objective:
    """What is trained: seeded by the recipe, so that a run begins the same whenever it begins."""
    torch.manual_seed(recipe.seed)
    if recipe.method == recipes.CONVERT:
        return _conversion(recipe, teacher)
    if recipe.method == recipes.LCM_LORA:
        student = with_lora(teacher.network, teacher.layout.targets, recipe.rank, recipe.rank)
        teacher.adapted = True
        _save_memory(recipe, student)
        return Consistency(teacher, student, recipe.guidance, False, None)
    student = guided_copy(teacher.network) if recipe.method == recipes.LCM else trained_copy(teacher.network)
    averaged = Averaged(student)
    _save_memory(recipe, student)
    if recipe.method == recipes.LCM:
        return Consistency(teacher, student, recipe.guidance, True, averaged)
    return ScoreDistillation(teacher, student, recipe.guidance, averaged, _adversary(recipe, teacher, latents))


def _conversion(recipe: Recipe, teacher: Teacher) -> Conversion:
    scheduler = converted_scheduler(teacher.layout.pipeline.scheduler, recipe.prediction, recipe.zero_snr)
    network = trained_copy(teacher.network)
    _save_memory(recipe, network)
    levels = Levels.of(scheduler).to(teacher.network.device)
    return Conversion(teacher, network, levels, Averaged(network), recipe.guidance[0])


def trained_copy(network: Any) -> Any:
    """A copy that learns, in float32."""
    return copy.deepcopy(network).float().requires_grad_(True)


def guided_copy(network: Any) -> Any:
    """A copy that learns and takes a guidance embedding, which changes nothing at first."""
    own = {name: value for name, value in network.config.items() if not name.startswith("_")}
    made = type(network).from_config({**own, "time_cond_proj_dim": GUIDANCE_WIDTH})
    made.load_state_dict(network.state_dict(), strict=False)
    torch.nn.init.zeros_(made.time_embedding.cond_proj.weight)
    return made.to(network.device).float().train(False).requires_grad_(True)


def with_lora(network: Any, targets: tuple[str, ...], rank: int, alpha: int) -> Any:
    """The network itself, whose layers of these names get an adapter that learns, in float32 (arXiv 2106.09685)."""
    network.add_adapter(LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(targets)))
    cast_training_params(network)
    return network


def _save_memory(recipe: Recipe, network: Any) -> None:
    if recipe.checkpointing:
        network.enable_gradient_checkpointing()


def _adversary(recipe: Recipe, teacher: Teacher, latents: Latents) -> Adversary | None:
    if recipe.features == recipes.NONE:
        return None
    device = teacher.network.device
    features: Features
    if recipe.features == recipes.TEACHER:
        some, _ = latents.rows(torch.zeros(1, dtype=torch.long))
        features = TeacherFeatures(teacher, some.to(device))
    else:
        features = DinoFeatures(Path(recipe.features), lambda x: decode(teacher.layout, x), str(device))
    return Adversary(features, teacher.blank)


def check(layout: StableDiffusion, recipe: Recipe) -> None:
    """ValueError where what the recipe asks does not fit the model's class or its prediction, or has no features.

    Also where the network takes guidance as an input, and so is a student itself; or its noise levels are not known.
    """
    pipeline, name = layout.pipeline, type(layout.pipeline).__name__
    if layout.network.config.get("time_cond_proj_dim"):
        raise ValueError(
            f"{quoted(pipeline.config.get('_name_or_path'))} takes its guidance as an input, as students do; "
            "name the teacher that it was made of"
        )
    Levels.of(pipeline.scheduler)
    if recipe.features not in (recipes.NONE, recipes.TEACHER):
        dino(Path(recipe.features))
    if recipe.method == recipes.CONVERT and not layout.full:
        raise ValueError(f"a {name} predicts a flow, which is not converted here; name a Stable Diffusion 1, 2 or XL")
    if recipe.method == recipes.CONVERT:
        converted_scheduler(pipeline.scheduler, recipe.prediction, recipe.zero_snr)
    elif recipe.method != recipes.LCM_LORA and not layout.full:
        raise ValueError(f"a {name} can be distilled as a LoRA alone; choose --method {recipes.LCM_LORA}")
