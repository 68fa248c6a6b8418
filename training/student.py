"""Distil the teacher into a student of one or two steps.

Every point of the path along which the teacher samples leads to the same clean latent (arXiv 2303.01469). The student
learns to name it at once (arXiv 2101.02388): from pure noise, and from points further on, which sampling in several
steps needs (arXiv 2310.04378). The teacher's guidance is part of its paths, so the student needs none.

The student is stopped after few steps, while it is still clearly short of the teacher, so that the demo has images to
improve; a longer run comes close to the teacher in a single step.

python -m training.student --steps 40
"""

import argparse
import time
from pathlib import Path

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from adaptive_diffusion.schedules import trailing_timesteps

from .common import RUNS, load_checkpoint, save_checkpoint, set_rate
from .data import encoded_scenes
from .diffusion import blank_tokens, encode, guided, new_unet, predict, signal_and_noise
from .teacher import SCENES, new_model
from .workers import share_gradients, start_worker

BATCH = 64
RATE = 5e-4
CFG = 3.0
PATH = torch.tensor(trailing_timesteps(8))
SHARES = torch.tensor([8.0, 1.0, 1.0, 1.0, 4.0, 1.0, 1.0, 1.0])
PATHS, CHUNK = 6000, 250
HUBER = 0.01
AVERAGE = 0.95
SAVE_EVERY = 20
PORT = 29542


def averaged_teacher(run: Path) -> nn.ModuleDict:
    """The teacher of a run: its averaged weights."""
    averaged = AveragedModel(new_model())
    averaged.load_state_dict(torch.load(run / "checkpoint.pt", weights_only=True)["averaged"])
    return averaged.module.eval().requires_grad_(False).to(memory_format=torch.channels_last)


@torch.no_grad()
def path_from(teacher: nn.ModuleDict, noise: torch.Tensor, states: torch.Tensor, blank: torch.Tensor) -> torch.Tensor:
    """Guided DDIM (arXiv 2010.02502) from `noise` (B, 8, 8, 8): x at each time of PATH and its end, (B, 9, 8, 8, 8)."""
    x, points = noise, [noise]
    for i, t in enumerate(PATH):
        signal, sigma = signal_and_noise(t.view(1))
        v = guided(teacher["unet"], x, t.expand(len(x)), states, blank, CFG)
        clean, direction = signal * x - sigma * v, sigma * x + signal * v
        below = signal_and_noise(PATH[i + 1].view(1)) if i + 1 < len(PATH) else (1.0, 0.0)
        x = below[0] * clean + below[1] * direction
        points.append(x)
    return torch.stack(points, 1)


def draw_paths(teacher: nn.ModuleDict, tokens: torch.Tensor, folder: Path, rank: int, workers: int) -> None:
    """Write this worker's share of the paths for the captions `tokens` (N, 24), CHUNK to a file; skip those there."""
    folder.mkdir(parents=True, exist_ok=True)
    blank = encode(teacher["text"], blank_tokens())
    for i, part in list(enumerate(tokens.split(CHUNK)))[rank::workers]:
        path = folder / f"{i:04}.pt"
        if not path.exists():
            noise = torch.randn((len(part), 8, 8, 8), generator=torch.Generator().manual_seed(i))
            points = path_from(teacher, noise, encode(teacher["text"], part), blank)
            torch.save(points.half(), path.with_suffix(".part"))
            path.with_suffix(".part").replace(path)


def loss_of(student: nn.Module, points: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
    """Pseudo-Huber distance (arXiv 2310.14189) of the student's clean latents to the ends of paths (B, 9, 8, 8, 8)."""
    place = torch.multinomial(SHARES, len(points), replacement=True)
    x = points[torch.arange(len(points)), place].float()
    signal, sigma = signal_and_noise(PATH[place])
    clean = signal * x - sigma * predict(student, x, PATH[place], states)
    return ((clean - points[:, -1].float()).square() + HUBER**2).sqrt().mean() - HUBER


def train(rank: int, workers: int, steps: int, out: Path, seed: int) -> None:
    start_worker(rank, workers, PORT)
    run, teacher = out / "student", averaged_teacher(out / "teacher")
    tokens = encoded_scenes(out / "vae/vae", out / "scenes.pt", SCENES, seed)[1][:PATHS]
    draw_paths(teacher, tokens, run / "paths", rank, workers)
    torch.distributed.barrier()
    points = torch.cat([torch.load(path, weights_only=True) for path in sorted((run / "paths").glob("*.pt"))])
    student = new_unet()
    student.load_state_dict(teacher["unet"].state_dict())
    student = student.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(student.parameters(), RATE, betas=(0.9, 0.99), weight_decay=0.0)
    averaged = AveragedModel(student, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE))
    spent, step = load_checkpoint(run, student, optimiser, averaged)
    torch.manual_seed(seed * 1000 + step * workers + rank)
    start = time.monotonic() - spent
    while step < steps:
        set_rate(optimiser, RATE, step / steps)
        pick = torch.randint(len(points), (BATCH,))
        loss = loss_of(student, points[pick], encode(teacher["text"], tokens[pick]))
        optimiser.zero_grad()
        loss.backward()
        share_gradients(student)
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimiser.step()
        averaged.update_parameters(student)
        step += 1
        if rank == 0 and step % SAVE_EVERY == 0:
            print(f"{step} steps of {steps}, loss {loss.item():.4f}", flush=True)
            save_checkpoint(run, student, optimiser, time.monotonic() - start, step, averaged)
    if rank == 0:
        save_checkpoint(run, student, optimiser, time.monotonic() - start, step, averaged)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--steps", type=int, default=40)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--out", type=Path, default=RUNS)
    options.add_argument("--seed", type=int, default=2)
    chosen = options.parse_args()
    arguments = (chosen.workers, chosen.steps, chosen.out, chosen.seed)
    torch.multiprocessing.spawn(train, arguments, nprocs=chosen.workers)


if __name__ == "__main__":
    main()
