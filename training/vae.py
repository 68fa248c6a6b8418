"""Train the image autoencoder: diffusers' AutoencoderTiny in TAESD's layout with 8 latent channels.

python -m training.vae --minutes 10
"""

import argparse
import time
from pathlib import Path

import torch
from diffusers import AutoencoderTiny
from torch import nn

from .common import RUNS, images_to_tensor, load_checkpoint, save_checkpoint, set_rate
from .scenes import dataset

LATENT_CHANNELS = 8
BATCH = 32
RATE = 1e-3
LATENT_NOISE = 0.05


def new_vae() -> AutoencoderTiny:
    """An untrained autoencoder (B, 3, 64, 64) -> (B, 8, 8, 8) whose weights ComfyUI's TAESD class also reads."""
    return AutoencoderTiny(latent_channels=LATENT_CHANNELS, scaling_factor=1.0, shift_factor=0.0)


def loss_of(vae: AutoencoderTiny, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Training loss and plain squared error; the latent is kept near unit variance and made robust to small noise."""
    latents = vae.encoder(images)
    decoded = vae.decoder(latents + LATENT_NOISE * torch.randn_like(latents))
    error = nn.functional.mse_loss(decoded.float(), images)
    edges = nn.functional.l1_loss(decoded.float(), images)
    latents = latents.float()
    mean, variance = latents.mean((0, 2, 3)), latents.var((0, 2, 3))
    return error + 0.1 * edges + 0.01 * (mean.square().mean() + (variance - 1).square().mean()), error


def train(minutes: float, run: Path, seed: int) -> None:
    torch.manual_seed(seed)
    vae = new_vae().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(vae.parameters(), RATE, betas=(0.9, 0.99), weight_decay=1e-4)
    spent, step = load_checkpoint(run, vae, optimiser)
    pixels = images_to_tensor(dataset(20000, seed)[1])
    start = time.monotonic() - spent
    while (progress := (time.monotonic() - start) / (60 * minutes)) < 1:
        set_rate(optimiser, RATE, progress)
        batch = pixels[torch.randint(len(pixels), (BATCH,))].float().div(127.5).sub(1)
        with torch.autocast("cpu", torch.bfloat16):
            loss, error = loss_of(vae, batch.contiguous(memory_format=torch.channels_last))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimiser.step()
        step += 1
        if step % 50 == 0:
            decibel = -10 * torch.log10(error.detach() / 4).item()
            print(f"{step} steps, {progress:.0%}, {decibel:.1f} dB, loss {loss.item():.4f}", flush=True)
            save_checkpoint(run, vae, optimiser, time.monotonic() - start, step)
    vae.save_pretrained(run / "vae")


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--out", type=Path, default=RUNS / "vae")
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    train(chosen.minutes, chosen.out, chosen.seed)
