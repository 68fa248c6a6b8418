"""distill killed and started again, against the training that was left alone.

    python -m benchmarks.killed_training [--kills 20] [--steps 24] [--method add]

A small training of the demo's teacher with a checkpoint after every step, in copies of this process that are ended with
SIGKILL: a third of them while they save, the others at random moments, from drawing the teacher's latents to writing
the student. Exit status 1 where the student that comes out differs in a bit, or fewer than a fifth were cut in a save.
"""

import argparse
import contextlib
import io
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from adaptive_diffusion.__main__ import main as adaptive_diffusion
from adaptive_diffusion.distillation import checkpoints, making
from tests.processes import start

PATIENCE = 3600.0


def distill(out: Path, prompts: Path, method: str, steps: int) -> None:
    torch.set_num_threads(1)
    numbers = [f"--steps={steps}", "--batch=2", "--save-every=1", "--pictures=1", "--device=cpu"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        adaptive_diffusion(["distill", f"--out={out}", f"--data={prompts}", f"--method={method}", *numbers])


def is_saving(out: Path) -> bool:
    """Whether a checkpoint lies there that is not whole yet."""
    folders = (out / checkpoints.FOLDER).glob(f"{checkpoints.PREFIX}*")
    return any(not (folder / checkpoints.WHOLE).exists() for folder in folders)


def killed(process: Any, out: Path, in_save: bool, longest: float) -> bool:
    """End the process with SIGKILL, at a random moment or once it saves; False where it came to its end before.

    longest: seconds until the latest of the random moments.
    """
    begun, moment = time.monotonic(), random.uniform(0, longest)
    while process.is_alive() and time.monotonic() - begun < (PATIENCE if in_save else moment):
        if in_save and is_saving(out):
            break
        time.sleep(0.001)
    alive = process.is_alive()
    if alive:
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    return alive


def content(out: Path) -> dict[str, bytes]:
    """What came out: the student, its file for ComfyUI, and the pictures of how it learned."""
    kept = (making.result_folder(out), out / making.LORAS, out / making.pictures.FOLDER)
    files = [path for folder in kept for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--method", default="add")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as base:
        measure(Path(base), chosen.kills, chosen.steps, chosen.method)


def measure(base: Path, kills: int, steps: int, method: str) -> None:
    prompts = base / "prompts.txt"
    prompts.write_text("a red circle left of a blue square on sand\na large green cross on sky\n")
    whole, cut = base / "whole" / "mine", base / "cut" / "mine"
    begun = time.monotonic()
    process = start(distill, whole, prompts, method, steps)
    process.join()
    longest = time.monotonic() - begun
    done = in_saves = at_end = 0
    while done < kills:
        in_save = done % 3 == 0
        if killed(start(distill, cut, prompts, method, steps), cut, in_save, longest):
            done += 1
            in_saves += is_saving(cut)
        else:
            at_end += 1
            shutil.rmtree(cut)  # it was finished: the next ones begin anew
    process = start(distill, cut, prompts, method, steps)
    process.join()
    same = content(whole) == content(cut)
    print(
        f"{done} times killed, {in_saves} of them in a save, {at_end} finished between: {len(content(whole))} files "
        f"{'of equal bits' if same else 'that DIFFER'}"
    )
    if not same or in_saves * 5 < kills or process.exitcode or not content(whole):
        sys.exit(1)


if __name__ == "__main__":
    main()
