"""What distill and finetune share: their options, and how their work is shown."""

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..bundled import PROMPTS
from ..numeric import SEED, STEPS
from .options import DTYPES, among, fill, positive, prompt_file, size

if TYPE_CHECKING:
    from ..distillation.data import Data
    from ..distillation.layouts import StableDiffusion
    from ..distillation.loop import Plan
    from ..distillation.recipe import Recipe

REMEMBERED = ("steps", "batch", "rate", "dtype")
TEACHER_STEPS = 25


def add_training(parser: argparse.ArgumentParser) -> None:
    """What every training is asked."""
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for the training and its result")
    parser.add_argument(
        "--data",
        type=prompt_file,
        metavar="PATH",
        help="a folder of images with metadata.csv (file_name,text), metadata.jsonl or a NAME.txt beside each; or a "
        "file of prompts, whose images the teacher draws, or the sets bundled or demo (demo, for the demo's teacher)",
    )
    parser.add_argument("--column", default="caption", help="column of a file of prompts (%(default)s)")
    parser.add_argument(
        "--pictures", type=positive, metavar="N", help="drawn for each prompt of a file (1; more for the demo's)"
    )
    parser.add_argument("--steps", type=positive, metavar="N", help="of training")
    parser.add_argument("--batch", type=positive, metavar="N", help="images a step")
    parser.add_argument("--rate", type=float, help="the highest learning rate")
    parser.add_argument("--size", type=size, metavar="WxH", help="pixels, such as 1024 or 1024x768 (the model's own)")
    parser.add_argument("--seed", type=among(SEED), default=0, help="of all that is random (%(default)s)")
    parser.add_argument(
        "--save-every", type=positive, default=50, metavar="N", help="steps between checkpoints (%(default)s)"
    )
    parser.add_argument(
        "--teacher-steps",
        type=among(STEPS),
        metavar="N",
        help=f"in which the images of a file of prompts are drawn ({TEACHER_STEPS}; the demo's own)",
    )
    parser.add_argument("--checkpointing", action="store_true", help="compute activations again, to save memory")
    parser.add_argument("--dtype", choices=DTYPES, help="precision of training (bfloat16 on a GPU, else float32)")
    parser.add_argument("--tensorboard", action="store_true", help="log losses for TensorBoard, if it is installed")


def complete_training(chosen: argparse.Namespace, is_demo: bool, numbers: dict[str, Any]) -> None:
    """Fill in what every training needs; ValueError where only a person can tell."""
    from ..standalone import models

    fill(chosen, numbers)
    if chosen.tensorboard and find_spec("tensorboard") is None:
        raise ValueError("TensorBoard is not installed; run: pip install tensorboard, or leave --tensorboard out")
    if is_demo:
        own = models.settings(models.DEMO, "teacher")["steps_alone"]
        fill(chosen, {"data": PROMPTS["demo"], "pictures": 2, "teacher_steps": own})
    if chosen.data is None:
        raise ValueError("there is nothing to learn from; name a folder of images or a file of prompts with --data")
    fill(chosen, {"pictures": 1, "teacher_steps": TEACHER_STEPS})
    device = models.hardware(chosen.device)["device"]
    fill(chosen, {"device": device, "dtype": "float32" if device == "cpu" else "bfloat16"})
    if chosen.dtype == "float16" and device == "cpu":
        raise ValueError("--dtype is float16, in which a CPU does not train; choose float32 or bfloat16")
    if not 0 < chosen.rate < 1:
        raise ValueError(f"rate is {chosen.rate:g}; give a learning rate between 0 and 1, such as 1e-5")


def plan_of(chosen: argparse.Namespace) -> "Plan":
    from ..distillation.loop import Plan

    names = ("steps", "batch", "rate", "seed", "save_every", "dtype", "tensorboard")
    return Plan(**{name: getattr(chosen, name) for name in names})


def open_bar(unit: str, total: int, done: int) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, initial=done, unit=" images", desc=unit, disable=None)


def about(
    model: str, layout: "StableDiffusion", data: "Data", recipe: "Recipe", chosen: argparse.Namespace
) -> dict[str, Any]:
    """What must be the same for a training to go on where another stopped."""
    from ..digest import weights_digest
    from ..distillation.folder import MODEL, WEIGHTS

    remembered = {name: getattr(chosen, name) for name in REMEMBERED}
    weights = weights_digest(layout.network.state_dict())
    return {MODEL: model, WEIGHTS: weights, "data": data.digest, **recipe.settings, **remembered}
