"""finetune: a model of another kind of prediction, such as v with zero terminal SNR."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .libraries import needing
from .training import about, add_training, complete_training, open_bar, plan_of

if TYPE_CHECKING:
    from ..distillation.recipe import Recipe

KINDS = ("epsilon", "v_prediction", "sample")


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "finetune",
        help="teach a model another kind of prediction",
        description="Fine-tune a model from any kind of prediction to any other: first by what it says itself, "
        "converted, then on the data. The same command goes on where it was stopped.",
    )
    parser.add_argument("--model", required=True, help="a folder in diffusers' format, a checkpoint, or demo")
    parser.add_argument("--prediction", choices=KINDS, default="v_prediction", help="what it is to say (%(default)s)")
    parser.add_argument(
        "--zero-snr",
        action="store_true",
        help="on noise levels that end in noise alone, as dark images need",
    )
    add_training(parser)
    parser.add_argument("--device", help="such as cuda or cpu (a GPU if there is one)")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> str:
    with needing("train"):
        from ..distillation import building, finishing, folder, making
        from ..distillation.data import read_data
    from ..bundled import DEMO_MODELS
    from ..distillation.recipe import CONVERT, DEMO_NUMBERS, NUMBERS
    from ..standalone import models

    is_demo = chosen.model == models.DEMO
    complete_training(chosen, is_demo, (DEMO_NUMBERS if is_demo else NUMBERS)[CONVERT])
    making.check_name(chosen.out)
    models.check(chosen.model)
    data = read_data(chosen.data, chosen.column, chosen.pictures)
    models.check_prompts(data.prompts, chosen.model)
    path = DEMO_MODELS if is_demo else Path(chosen.model)
    layout = building.open_teacher(path, chosen.size, chosen.dtype, chosen.device)
    recipe, plan = _recipe(chosen, layout.size), plan_of(chosen)
    making.check(layout, recipe, plan, chosen.out)
    settings = about(chosen.model, layout, data, recipe, chosen)
    with folder.opened(chosen.out, settings):
        making.make(layout, data, recipe, plan, chosen.out, open_bar)
        return "\n".join(finishing.finish(layout, recipe, chosen.out, settings))


def _recipe(chosen: argparse.Namespace, size: tuple[int, int]) -> "Recipe":
    from ..distillation.recipe import CONVERT, Recipe
    from ..standalone import models

    cfg = models.settings(chosen.model, "teacher")["cfg"]
    return Recipe(
        CONVERT,
        (cfg, cfg),
        size,
        chosen.seed,
        checkpointing=chosen.checkpointing,
        teacher_steps=chosen.teacher_steps,
        prediction=chosen.prediction,
        zero_snr=chosen.zero_snr,
    )
