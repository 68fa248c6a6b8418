"""Train the image autoencoder: diffusers' AutoencoderTiny in TAESD's layout with 8 latent channels.

python -m training.vae
"""

from pathlib import Path

import torch
from diffusers import AutoencoderTiny
from torch import nn

from .common import Run, averaged_weights, images_to_tensor, options
from .scenes import dataset
from .workers import on_workers

LATENT_CHANNELS = 8
BATCH = 16
RATE = 1e-3
LATENT_NOISE = 0.05
SCENES = 20000
AVERAGE = 0.99
SEED = 1


def new_vae() -> AutoencoderTiny:
    """An untrained autoencoder (B, 3, 64, 64) -> (B, 8, 8, 8) whose weights ComfyUI's TAESD class also reads."""
    return AutoencoderTiny(latent_channels=LATENT_CHANNELS, scaling_factor=1.0, shift_factor=0.0)


def trained_vae(out: Path) -> AutoencoderTiny:
    return averaged_weights(out / "vae", new_vae())


def loss_of(vae: AutoencoderTiny, images: torch.Tensor) -> torch.Tensor:
    """Squared and absolute error; the latent is kept near unit variance and made robust to small noise."""
    latents = vae.encoder(images)
    decoded = vae.decoder(latents + LATENT_NOISE * torch.randn_like(latents))
    error = nn.functional.mse_loss(decoded.float(), images)
    edges = nn.functional.l1_loss(decoded.float(), images)
    latents = latents.float()
    mean, variance = latents.mean((0, 2, 3)), latents.var((0, 2, 3))
    return error + 0.1 * edges + 0.01 * (mean.square().mean() + (variance - 1).square().mean())


def train(steps: int, out: Path) -> None:
    torch.manual_seed(SEED)
    vae = new_vae().to(memory_format=torch.channels_last)
    pixels = images_to_tensor(dataset(SCENES, SEED)[1])

    def loss(progress: float) -> torch.Tensor:
        batch = pixels[torch.randint(len(pixels), (BATCH,))].float().div(127.5).sub(1)
        with torch.autocast("cpu", torch.bfloat16):
            return loss_of(vae, batch.contiguous(memory_format=torch.channels_last))

    Run(out / "vae", vae, RATE, AVERAGE, decay=1e-4).train(steps, loss, SEED)


if __name__ == "__main__":
    chosen = options(__doc__, steps=1300).parse_args()
    on_workers(chosen.workers, train, chosen.steps, chosen.out)
