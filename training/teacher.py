"""Train the teacher UNet together with its text model.

python -m training.teacher
"""

from pathlib import Path

import torch
from torch import nn

from .common import Run, averaged_weights, options
from .data import encoded_scenes
from .diffusion import blank_tokens, encode, new_unet, predict, signal_and_noise
from .text import new_text_model
from .workers import on_workers

BATCH = 64
RATE = 1e-3
DROP_CAPTION = 0.1
AVERAGE = 0.999
SEED = 2


def new_teacher() -> nn.ModuleDict:
    return nn.ModuleDict({"unet": new_unet(), "text": new_text_model()})


def trained_teacher(out: Path) -> nn.ModuleDict:
    return averaged_weights(out / "teacher", new_teacher()).to(memory_format=torch.channels_last)


def loss_of(model: nn.ModuleDict, latents: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Mean squared error of v = sqrt(alphabar) noise - sqrt(1 - alphabar) latent."""
    timesteps = torch.randint(0, 1000, (len(latents),))
    signal, sigma = signal_and_noise(timesteps)
    noise = torch.randn_like(latents)
    v = predict(model["unet"], signal * latents + sigma * noise, timesteps, encode(model["text"], tokens))
    return nn.functional.mse_loss(v, signal * noise - sigma * latents)


def train(steps: int, out: Path) -> None:
    latents, tokens = encoded_scenes(out)
    torch.manual_seed(SEED)
    model = new_teacher().to(memory_format=torch.channels_last)
    blank = blank_tokens()

    def loss(progress: float) -> torch.Tensor:
        pick = torch.randint(len(latents), (BATCH,))
        captions = torch.where(torch.rand(BATCH, 1) < DROP_CAPTION, blank, tokens[pick])
        return loss_of(model, latents[pick], captions)

    Run(out / "teacher", model, RATE, AVERAGE).train(steps, loss, SEED)


if __name__ == "__main__":
    chosen = options(__doc__, steps=7000).parse_args()
    encoded_scenes(chosen.out)
    on_workers(chosen.workers, train, chosen.steps, chosen.out)
