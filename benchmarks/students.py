"""Students of the demo's teacher, made by `distill` and `finetune`, and graded exactly on the development part.

    python -m benchmarks.students [add adversary lcm lora convert ...] [--folder FOLDER] [--count 300]

What they learn from is 9,000 drawn scenes of the training part, as a folder of images with metadata.csv. Processor
seconds are those of training alone, on one thread, checkpoints and pictures among them; encoding is told by itself.
"""

import argparse
import contextlib
import io
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch
from diffusers import DiffusionPipeline
from PIL import Image

from adaptive_diffusion.__main__ import main as adaptive_diffusion
from adaptive_diffusion.comparison import told
from adaptive_diffusion.distillation import making
from adaptive_diffusion.distillation.latents import CHUNK
from adaptive_diffusion.standalone.drawing import draw
from adaptive_diffusion.standalone.oracle import ExactJudge
from training.evaluate import by_caption
from training.sampling import captions_for
from training.scenes import dataset

SEED, GRADED_SEED = 7, 20271


@dataclass(frozen=True)
class Student:
    """command: what makes it. steps: in which it is graded; cfg: at which. bars: the shares that are asked of it.

    against: a student before it, to which its difference on the same captions and seeds is told.
    """

    command: tuple[str, ...]
    steps: tuple[int, ...] = (1, 2, 4)
    cfg: float = 1.0
    bars: tuple[tuple[int, float], ...] = ()
    against: str = ""


def _distilled(method: str, *options: str, **graded: Any) -> Student:
    return Student(("distill", "--method", method, *options), **graded)


STUDENTS = {
    "add": _distilled("add", "--steps", "220", bars=((1, 0.85),)),
    "adversary": _distilled(
        *("add", "--steps", "220", "--features", "teacher"), bars=((1, 0.80), (4, 0.92)), against="add"
    ),
    "lcm": _distilled("lcm", "--steps", "180", "--guidance", "1.5", "3", cfg=2.0, bars=((1, 0.75), (4, 0.90))),
    "lora": _distilled("lcm-lora", bars=((1, 0.60),)),
    "epsilon": Student(("finetune", "--model", "demo", "--prediction", "epsilon", "--steps", "150"), (8,), 2.0),
    "convert": Student(
        ("finetune", "--zero-snr", "--steps", "300", "--batch", "32", "--rate", "3e-4"), (8,), 2.0, bars=((8, 0.85),)
    ),
}


def scenes_folder(folder: Path, count: int) -> Path:
    """The scenes as images with a table, written now unless they are there."""
    if not (folder / "metadata.csv").exists():
        folder.mkdir(parents=True, exist_ok=True)
        scenes, images = dataset(count, SEED)
        names = [f"{i:05}.png" for i in range(len(scenes))]
        for name, image in zip(names, images, strict=True):
            Image.fromarray(image).save(folder / name)
        rows = [f"{name},{scene.caption}" for name, scene in zip(names, scenes, strict=True)]
        (folder / "metadata.csv").write_text("\n".join(["file_name,text", *rows]) + "\n")
    return folder


@contextlib.contextmanager
def timed(name: str, module: Any) -> Iterator[list[float]]:
    """Processor seconds of each call of a function of a module within."""
    own, taken = getattr(module, name), []

    def call(*arguments: Any, **options: Any) -> Any:
        begun = time.process_time()
        try:
            return own(*arguments, **options)
        finally:
            taken.append(time.process_time() - begun)

    setattr(module, name, call)
    try:
        yield taken
    finally:
        setattr(module, name, own)


def make(name: str, student: Student, base: Path, more: Sequence[str]) -> tuple[float, float]:
    """Make a student unless it is there; processor seconds of encoding and training, kept beside it."""
    folder = base / name
    record = base / f"{name}.json"
    if not record.exists():
        seen = base / "scenes"
        _share_latents(base, folder)
        command = [*student.command, *more, "--data", str(seen), "--out", str(folder), "--device", "cpu"]
        if name == "convert":
            command += ["--model", str(making.result_folder(base / "epsilon"))]
        with timed("prepared", making) as encoding, timed("learn", making) as learning:
            adaptive_diffusion(command)
        record.write_text(json.dumps([sum(encoding), sum(learning)]))
    return tuple(json.loads(record.read_text()))


def _share_latents(base: Path, folder: Path) -> None:
    """Give a training the latents that another one made of the same scenes, by links, when it asks for them."""
    scenes = len(list((base / "scenes").glob("*.png")))
    made = [path for path in base.glob(f"*/{making.LATENTS}") if len(list(path.iterdir())) * CHUNK >= scenes]
    own = making.prepared

    def prepared(*arguments: Any) -> Any:
        if made and not (folder / making.LATENTS).exists():
            shutil.copytree(made[0], folder / making.LATENTS, copy_function=os.link)
        return own(*arguments)

    making.prepared = prepared


@torch.inference_mode()
def grades(folder: Path, steps: int, cfg: float, count: int) -> tuple[numpy.ndarray, list[Any]]:
    """1.0 for each image that shows exactly its caption, (count,), and their scenes: development part, as diffusers."""
    scenes, seeds = captions_for(count, GRADED_SEED, "development")
    captions = [scene.caption for scene in scenes]
    with contextlib.redirect_stderr(io.StringIO()):
        pipeline = DiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    settings = {"num_inference_steps": steps, "guidance_scale": cfg}
    pixels = draw(pipeline, captions, seeds, 50, settings).pixels.movedim(1, -1)
    return ExactJudge().score(pixels, captions).double().numpy(), scenes


def rows(name: str, base: Path, more: Sequence[str], count: int) -> Iterator[str]:
    """Lines of the table: each number of steps, and its difference to the student that it is against."""
    student = STUDENTS[name.split("-")[0]]
    encoding, learning = make(name, student, base, more)
    for steps in student.steps:
        right, scenes = grades(making.result_folder(base / name), steps, student.cfg, count)
        bar = dict(student.bars).get(steps, "")
        yield f"| {name} | {encoding:.0f} | {learning:.0f} | {steps} | {told(by_caption(right, scenes))} | {bar} |"
        if student.against:
            other, _ = grades(making.result_folder(base / student.against), steps, student.cfg, count)
            yield f"| {name} - {student.against} | | | {steps} | {told(by_caption(right - other, scenes), '+')} | |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(STUDENTS), metavar="NAME", help=", ".join(STUDENTS))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=9000, help="to learn from (%(default)s)")
    parser.add_argument("--count", type=int, default=300, help="images that are graded (%(default)s)")
    parser.add_argument("--option", action="append", default=[], help="of the command, such as --option=--rate=1e-4")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    scenes_folder(chosen.folder / "scenes", chosen.scenes)
    print("| student | encoding s | training s | steps | exact share ± 95 % | bar |\n|---|---|---|---|---|---|")
    for name in chosen.names:
        for line in rows(name, chosen.folder, chosen.option, chosen.count):
            print(line, flush=True)


if __name__ == "__main__":
    main()
