"""distill: a student of a teacher, and all that it needs to be used."""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import write_atomically
from ..quoting import quoted
from . import calibrate
from .libraries import needing
from .options import add_estimator, fill, positive
from .training import about, add_training, complete_training, open_bar, plan_of

if TYPE_CHECKING:
    from ..distillation.layouts import StableDiffusion
    from ..distillation.recipe import Recipe

METHODS = ("add", "lcm", "lcm-lora")
CALIBRATED = 500


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "distill",
        help="make a fast student of a teacher",
        description="Distil a teacher into a student of a few steps, for ComfyUI and for generate. The same command "
        "goes on where it was stopped. Without another teacher the demo's is distilled, in about two minutes.",
    )
    parser.add_argument(
        "--teacher", default="demo", help="the slow model: a folder in diffusers' format, or a checkpoint (%(default)s)"
    )
    parser.add_argument(
        "--method",
        choices=METHODS,
        default="add",
        help="add: score distillation, for 1 to 4 steps; lcm: latent consistency with guidance as an input; lcm-lora: "
        "the same as a LoRA, which needs the least memory (%(default)s)",
    )
    add_training(parser)
    parser.add_argument(
        "--guidance",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="guidance scales at which the teacher is asked (around its own)",
    )
    parser.add_argument(
        "--features",
        default="none",
        help="an adversary for add, on the features of: none, teacher, or the folder of a DINOv2 (%(default)s)",
    )
    parser.add_argument("--rank", type=positive, metavar="N", help="of the LoRA (64; the demo's own)")
    parser.add_argument(
        "--table", action="store_true", help="calibrate the student at once: the percentile table of its scores"
    )
    parser.add_argument(
        "--gate", action="store_true", help="fit its gate at once, to pairs of its images and its teacher's"
    )
    add_estimator(parser)
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> str:
    with needing("train"):
        from ..distillation import building, finishing, folder, making
        from ..distillation.data import read_data
    from ..bundled import DEMO_MODELS
    from ..standalone import models

    making.check_name(chosen.out)
    _complete(chosen)
    models.check(chosen.teacher)
    data = read_data(chosen.data, chosen.column, chosen.pictures)
    models.check_prompts(data.prompts, chosen.teacher)
    _check_measured(chosen, data.prompts)
    teacher = DEMO_MODELS if chosen.teacher == models.DEMO else Path(chosen.teacher)
    layout = building.open_teacher(teacher, chosen.size, chosen.dtype, chosen.device)
    recipe, plan = _recipe(chosen, layout), plan_of(chosen)
    making.check(layout, recipe, plan, chosen.out)
    settings = about(chosen.teacher, layout, data, recipe, chosen)
    with folder.opened(chosen.out, settings):
        making.make(layout, data, recipe, plan, chosen.out, open_bar)
        figures: list[str] = []
        try:
            figures.extend(_measured(chosen, layout.size, data.prompts))
        except ValueError as error:
            lines = finishing.finish(layout, recipe, chosen.out, settings, _scoring(chosen), figures)
            raise ValueError("\n".join([*lines, f"The student is whole, but {error}"])) from error
        return "\n".join(finishing.finish(layout, recipe, chosen.out, settings, _scoring(chosen), figures))


def _scoring(chosen: argparse.Namespace) -> dict[str, str]:
    """What scores the student's images, as options by name; none where nothing does."""
    names = ("estimator", "clip-tokenizer", "clip-vision")
    values = {name: getattr(chosen, name.replace("-", "_")) for name in names}
    return {name: str(value) for name, value in values.items() if value is not None}


def _complete(chosen: argparse.Namespace) -> None:
    """Fill in what was left out; ValueError where only a person can tell."""
    from ..distillation import making, recipe
    from ..standalone import models

    is_demo = chosen.teacher == models.DEMO
    complete_training(chosen, is_demo, (recipe.DEMO_NUMBERS if is_demo else recipe.NUMBERS)[chosen.method])
    teacher = models.settings(chosen.teacher, "teacher")
    fill(chosen, {"guidance": recipe.usual_guidance(chosen.method, teacher["cfg"]), "rank": 0})
    recipe.check_guidance(*chosen.guidance)
    if is_demo:
        fill(chosen, {"estimator": models.DEMO})
    made = {"--table": making.table_file(chosen.out), "--gate": making.gate_file(chosen.out)}
    scored = [name for name, file in made.items() if getattr(chosen, name[2:]) or file.is_file()]
    if scored and chosen.estimator is None:
        asked = scored[0]
        raise ValueError(f"nothing scores the student's images for {asked}; name an estimator's file with --estimator")
    if chosen.features != recipe.NONE and chosen.method != recipe.ADD:
        raise ValueError(f"--features is {quoted(chosen.features)}, but only add has an adversary; leave it out")


def _check_measured(chosen: argparse.Namespace, prompts: Sequence[str]) -> None:
    """ValueError or FileNotFoundError where the student could not be scored once it is made."""
    from ..gate.fitting import FEWEST
    from ..standalone import models

    if not (chosen.table or chosen.gate):
        return
    models.check_prompts(prompts, chosen.estimator)
    models.load_estimator(chosen.estimator, chosen.device, chosen.clip_tokenizer, chosen.clip_vision)
    different = len({*prompts})
    if chosen.gate and different < 2 * FEWEST:
        raise ValueError(f"--gate is fitted to at least {2 * FEWEST} different prompts, but {different} came; add more")


def _recipe(chosen: argparse.Namespace, layout: "StableDiffusion") -> "Recipe":
    from ..distillation.recipe import Recipe

    names = ("method", "seed", "features", "rank", "checkpointing", "teacher_steps")
    return Recipe(guidance=tuple(chosen.guidance), size=layout.size, **{name: getattr(chosen, name) for name in names})


def _measured(chosen: argparse.Namespace, size: tuple[int, int], prompts: Sequence[str]) -> Iterator[str]:
    """Make what is asked for of the student's table and its gate; a sentence on each."""
    from ..distillation import making

    if chosen.table:
        yield _calibrated(chosen, size, prompts, {"out": making.table_file(chosen.out)})
    if chosen.gate:
        pair = {"gate": making.gate_file(chosen.out), "teacher": chosen.teacher}
        yield _calibrated(chosen, size, prompts, pair)


def _calibrated(
    chosen: argparse.Namespace, size: tuple[int, int], prompts: Sequence[str], made: Mapping[str, Any]
) -> str:
    """Calibrate the student on some of the data's prompts, as the command does; made: its options for what is made."""
    from ..distillation import making

    folder = making.result_folder(chosen.out)
    some = list(dict.fromkeys(prompts))[:CALIBRATED]
    asked = chosen.out / making.PROMPTS
    write_atomically(asked, "\n".join(map(json.dumps, some)).encode())
    parser = argparse.ArgumentParser()
    calibrate.add(parser.add_subparsers())
    options = {
        **{**made, "prompts": asked, "student": folder, "estimator": chosen.estimator},
        **{"size": "x".join(map(str, size)), "batch": chosen.batch, "dtype": chosen.dtype, "device": chosen.device},
        **{"clip-tokenizer": chosen.clip_tokenizer, "clip-vision": chosen.clip_vision, "seed": chosen.seed},
    }
    words = [f"--{name}={value}" for name, value in options.items() if value is not None]
    command = parser.parse_args(["calibrate", *words])
    return command.run(command)
