"""Train the teacher UNet together with its text model, on several processes of one thread each.

python -m training.teacher --minutes 65
"""

import argparse
import time
from pathlib import Path

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .common import RUNS, load_checkpoint, save_checkpoint, set_rate
from .data import encoded_scenes
from .diffusion import blank_tokens, encode, new_unet, predict, signal_and_noise
from .text import new_text_model
from .workers import share_gradients, shared_progress, start_worker

BATCH = 64
RATE = 1e-3
DROP_CAPTION = 0.1
SCENES = 40000
AVERAGE = 0.999
SAVE_EVERY = 200
PORT = 29541


def new_model() -> nn.ModuleDict:
    return nn.ModuleDict({"unet": new_unet(), "text": new_text_model()})


def loss_of(model: nn.ModuleDict, latents: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Mean squared error of v = sqrt(alphabar) noise - sqrt(1 - alphabar) latent."""
    timesteps = torch.randint(0, 1000, (len(latents),))
    signal, sigma = signal_and_noise(timesteps)
    noise = torch.randn_like(latents)
    v = predict(model["unet"], signal * latents + sigma * noise, timesteps, encode(model["text"], tokens))
    return nn.functional.mse_loss(v, signal * noise - sigma * latents)


def train(rank: int, workers: int, minutes: float, out: Path, seed: int) -> None:
    start_worker(rank, workers, PORT)
    latents, tokens = encoded_scenes(out / "vae/vae", out / "scenes.pt", SCENES, seed)
    torch.manual_seed(seed)
    model = new_model().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), RATE, betas=(0.9, 0.99), weight_decay=0.01)
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE))
    run = out / "teacher"
    spent, step = load_checkpoint(run, model, optimiser, averaged)
    torch.manual_seed(seed * 1000 + step * workers + rank)
    blank, start = blank_tokens(), time.monotonic() - spent
    while (progress := shared_progress(start, minutes)) < 1:
        set_rate(optimiser, RATE, progress)
        pick = torch.randint(len(latents), (BATCH,))
        captions = torch.where(torch.rand(BATCH, 1) < DROP_CAPTION, blank, tokens[pick])
        loss = loss_of(model, latents[pick], captions)
        optimiser.zero_grad()
        loss.backward()
        share_gradients(model)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        averaged.update_parameters(model)
        step += 1
        if rank == 0 and step % SAVE_EVERY == 0:
            print(f"{step} steps, {progress:.1%}, loss {loss.item():.4f}", flush=True)
            save_checkpoint(run, model, optimiser, time.monotonic() - start, step, averaged)
    if rank == 0:
        save_checkpoint(run, model, optimiser, time.monotonic() - start, step, averaged)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--minutes", type=float, default=65)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--out", type=Path, default=RUNS)
    options.add_argument("--seed", type=int, default=2)
    chosen = options.parse_args()
    encoded_scenes(chosen.out / "vae/vae", chosen.out / "scenes.pt", SCENES, chosen.seed)
    arguments = (chosen.workers, chosen.minutes, chosen.out, chosen.seed)
    torch.multiprocessing.spawn(train, arguments, nprocs=chosen.workers)


if __name__ == "__main__":
    main()
