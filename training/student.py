"""Distil the teacher into a student of one to four steps: latent consistency distillation (arXiv 2310.04378).

python -m training.student --minutes 12
"""

import argparse
import time
from pathlib import Path

import torch
from torch import nn

from .common import RUNS, load_checkpoint, save_checkpoint, set_rate
from .data import encoded_scenes
from .diffusion import blank_tokens, encode, guided, new_unet, predict, signal_and_noise
from .teacher import SCENES, new_model

BATCH = 64
RATE = 3e-4
CFG = 2.0
GRID = torch.arange(49, 1000, 50)
HUBER = 0.01
SAVE_EVERY = 50


def averaged_teacher(run: Path) -> nn.ModuleDict:
    """The teacher of a run: its averaged weights."""
    averaged = torch.optim.swa_utils.AveragedModel(new_model())
    averaged.load_state_dict(torch.load(run / "checkpoint.pt", weights_only=True)["averaged"])
    return averaged.module.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def denoised(x: torch.Tensor, v: torch.Tensor, signal: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    return signal * x - sigma * v


@torch.no_grad()
def teacher_step(teacher: nn.Module, x, step: torch.Tensor, states, blank) -> torch.Tensor:
    """One guided DDIM step from grid point `step` to the one before it; to the clean latent from the first."""
    signal, sigma = signal_and_noise(GRID[step])
    v = guided(teacher, x, GRID[step], states, blank, CFG)
    clean, noise = denoised(x, v, signal, sigma), sigma * x + signal * v
    next_signal, next_sigma = signal_and_noise(GRID[(step - 1).clamp(min=0)])
    stepped = next_signal * clean + next_sigma * noise
    return torch.where((step == 0).view(-1, 1, 1, 1), clean, stepped)


def loss_of(student: nn.Module, teacher: nn.ModuleDict, latents, tokens, blank) -> torch.Tensor:
    """Pseudo-Huber distance between the student's clean latents at neighbouring points of the teacher's path."""
    step = torch.randint(0, len(GRID), (len(latents),))
    signal, sigma = signal_and_noise(GRID[step])
    x = signal * latents + sigma * torch.randn_like(latents)
    states = encode(teacher["text"], tokens)
    here = denoised(x, predict(student, x, GRID[step], states), signal, sigma)
    with torch.no_grad():
        before = teacher_step(teacher["unet"], x, step, states, blank)
        lower = GRID[(step - 1).clamp(min=0)]
        target = denoised(before, predict(student, before, lower, states), *signal_and_noise(lower))
        target = torch.where((step == 0).view(-1, 1, 1, 1), before, target)
    return ((here - target).square() + HUBER**2).sqrt().mean() - HUBER


def train(minutes: float, out: Path, seed: int) -> None:
    torch.manual_seed(seed)
    teacher = averaged_teacher(out / "teacher")
    blank = encode(teacher["text"], blank_tokens())
    latents, tokens = encoded_scenes(out / "vae/vae", out / "scenes.pt", SCENES, seed)
    student = new_unet()
    student.load_state_dict(teacher["unet"].state_dict())
    student = student.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(student.parameters(), RATE, betas=(0.9, 0.99), weight_decay=0.0)
    averaged = torch.optim.swa_utils.AveragedModel(
        student, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99)
    )
    run = out / "student"
    spent, step = load_checkpoint(run, student, optimiser, averaged)
    start = time.monotonic() - spent
    while (progress := (time.monotonic() - start) / (60 * minutes)) < 1:
        set_rate(optimiser, RATE, progress)
        pick = torch.randint(len(latents), (BATCH,))
        loss = loss_of(student, teacher, latents[pick], tokens[pick], blank)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimiser.step()
        averaged.update_parameters(student)
        step += 1
        if step % SAVE_EVERY == 0:
            print(f"{step} steps, {progress:.1%}, loss {loss.item():.4f}", flush=True)
            save_checkpoint(run, student, optimiser, time.monotonic() - start, step, averaged)
    save_checkpoint(run, student, optimiser, time.monotonic() - start, step, averaged)


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--minutes", type=float, default=12)
    options.add_argument("--out", type=Path, default=RUNS)
    options.add_argument("--seed", type=int, default=3)
    chosen = options.parse_args()
    train(chosen.minutes, chosen.out, chosen.seed)
