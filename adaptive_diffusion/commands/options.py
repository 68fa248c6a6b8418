"""What several commands are asked in the same words."""

import argparse
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..bundled import PROMPTS
from ..numeric import ANY, COUNT, GUIDANCE, IMAGES, SEED, SIDE, STEPS, Range, whole
from ..prompts import CAPTION
from ..quoting import quoted

OPTION = "it"  # what the sentence on a value calls its option, whose name the parser puts there
SIDES_OF = 8
DTYPES = ("float32", "float16", "bfloat16")


def among(numbers: Range) -> Callable[[str], Any]:
    """The type of an option that takes one of these numbers."""

    def number(text: str) -> Any:
        try:
            value: Any = (int if numbers.whole else float)(text)
        except ValueError:
            value = text
        try:
            return numbers.of(OPTION, value)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return number


def share(text: str) -> tuple[int, int]:
    """Which of how many equal shares, of "3/8"."""
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise argparse.ArgumentTypeError(f"{OPTION} is {quoted(text)}; write 1/8 to 8/8 for eight processes")
    return int(found[1]), int(found[2])


def address(text: str) -> str:
    """Where a cluster is."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"{OPTION} is {quoted(text)}; write host:port, or give the option alone")
    return text


positive = among(COUNT)
prompt_count = among(whole(0, 1_000_000_000))  # 0 for all


def size(text: str) -> tuple[int, int]:
    """Width and height of "1024" or "1024x768"."""
    sides = re.fullmatch(r"(\d{1,9})(?:x(\d{1,9}))?", text)
    if not sides:
        raise argparse.ArgumentTypeError(f"{OPTION} is {quoted(text)}; write 1024, or 1024x768 for width x height")
    width, height = (_side(int(side)) for side in (sides[1], sides[2] or sides[1]))
    return width, height


def _side(pixels: int) -> int:
    if among(SIDE)(str(pixels)) % SIDES_OF:
        raise argparse.ArgumentTypeError(f"{OPTION} is {pixels}; choose a multiple of {SIDES_OF}")
    return pixels


def prompt_file(name: str) -> Path:
    return PROMPTS.get(name, Path(name))


def _prompt_place(name: str) -> Path | str:
    """The file; an address as it stands."""
    return name if "://" in name else prompt_file(name)


def add_prompts(parser: argparse.ArgumentParser, required: bool) -> None:
    kinds = "prompts: CSV, TSV, JSONL, or TXT with one a line; or a set that comes with the package, bundled or demo"
    parser.add_argument("--prompts", type=_prompt_place, metavar="FILE", required=required, help=kinds)
    parser.add_argument("--column", default=CAPTION, help="column of a CSV or TSV, key of a JSONL file (%(default)s)")


def add_student(parser: argparse.ArgumentParser) -> None:
    """The student, its settings and how it is drawn."""
    _add_student(parser)
    parser.add_argument("--student-steps", type=among(STEPS), metavar="N", help="its steps (4; the demo's own)")


def add_models(parser: argparse.ArgumentParser) -> None:
    """Student and teacher without the settings that a tuning tries."""
    _add_student(parser)
    _add_teacher(parser)


def _add_student(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--count",
        type=prompt_count,
        default=0,
        help="how many prompts to draw by the seed (all, in order)",
    )
    parser.add_argument("--seed", type=among(SEED), default=0, help="prompt i is drawn with seed + i (%(default)s)")
    parser.add_argument(
        "--student", default="demo", help="the fast model: a folder in diffusers' format, or a checkpoint (%(default)s)"
    )
    parser.add_argument(
        "--student-cfg", type=among(GUIDANCE), metavar="SCALE", help="its guidance scale (8; the demo's own)"
    )
    parser.add_argument("--negative", metavar="PROMPT", help="what the images are to avoid (nothing)")
    parser.add_argument("--size", type=size, metavar="WxH", help="pixels, such as 1024 or 1024x768 (the student's own)")
    parser.add_argument(
        "--batch", type=among(IMAGES), default=8, metavar="N", help="images drawn at a time (%(default)s)"
    )
    parser.add_argument("--dtype", choices=DTYPES, help="the models' precision (float16 on a GPU, else float32)")


def add_teacher(parser: argparse.ArgumentParser) -> None:
    """The teacher and its settings."""
    _add_teacher(parser)
    parser.add_argument("--teacher-steps", type=among(STEPS), metavar="N", help="its steps (12; the demo's own)")
    parser.add_argument(
        "--strategy", choices=("refine", "regenerate"), default="refine", help="what it does (%(default)s)"
    )
    parser.add_argument(
        "--sigma", type=among(ANY), help="where refining starts: near 0 keeps the image, near 1 redraws it (0.7)"
    )


def _add_teacher(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--teacher", help="the slow model: a folder in diffusers' format, or a checkpoint (with the demo student: demo)"
    )
    parser.add_argument(
        "--teacher-cfg", type=among(GUIDANCE), metavar="SCALE", help="its guidance scale (8; the demo's own)"
    )
    parser.add_argument(
        "--rollback-scale",
        metavar="SCALE",
        help="what --sigma counts in: schedule, variance, official or 'model sigma' (as diffusers' image-to-image)",
    )


def add_estimator(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--estimator",
        metavar="FILE",
        help="what scores: a weight file, or vlm:FOLDER of a Qwen3-VL from Hugging Face (with the demo student: demo)",
    )
    add_scoring(parser)


def add_scoring(parser: argparse.ArgumentParser) -> None:
    """What estimators need beside their file."""
    parser.add_argument(
        "--clip-tokenizer", type=Path, metavar="FOLDER", help="of CLIP's vocab.json, for CLIPScore, PickScore, HPSv2.1"
    )
    parser.add_argument(
        "--clip-vision", type=Path, metavar="FILE", help="of CLIP ViT-L/14's image encoder, for LAION aesthetic"
    )
    parser.add_argument("--device", help="such as cuda or cpu (a GPU if there is one)")


def fill(chosen: argparse.Namespace, defaults: Mapping[str, Any]) -> None:
    """Give every option that was left out its default."""
    for name, value in defaults.items():
        if getattr(chosen, name) in (None, ""):
            setattr(chosen, name, value)


def pipeline_settings(chosen: argparse.Namespace) -> dict[str, Any]:
    """What the pipeline is called with for every batch, but for k and where its threshold comes from."""
    from ..standalone import models

    width, height = chosen.size or models.size_of(chosen.student) or (None, None)
    return {
        "num_inference_steps_student": chosen.student_steps,
        "num_inference_steps_teacher": chosen.teacher_steps,
        "student_guidance": chosen.student_cfg,
        "teacher_guidance": chosen.teacher_cfg,
        "sigma": chosen.sigma,
        "strategy": chosen.strategy,
        "negative_prompt": chosen.negative,
        "height": height,
        "width": width,
        "rollback_scale": chosen.rollback_scale,
    }
