"""Scenes encoded once: the latents and token ids that the teacher and the student are trained on."""

from pathlib import Path

import torch
from diffusers import AutoencoderTiny

from adaptive_diffusion.files import replacing

from .common import images_to_tensor
from .scenes import dataset
from .text import tokenize
from .vae import trained_vae

SCENES, CHUNK = 40000, 250
OBJECTS = (1, 1, 2, 3)
SEED = 2


def encoded_scenes(out: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents (40000, 8, 8, 8) and token ids (40000, 24) of training scenes; kept in a file of the run.

    Half of them show one object: only there place and size are free, so these are the hardest to draw.
    """
    cache = out / "scenes.pt"
    if not cache.exists():
        scenes, images = dataset(SCENES, SEED, objects=OBJECTS)
        latents = encode_images(trained_vae(out), images_to_tensor(images))
        with replacing(cache) as beside:
            torch.save((latents, tokenize([scene.caption for scene in scenes])), beside)
    return torch.load(cache, weights_only=True)


@torch.no_grad()
def encode_images(vae: AutoencoderTiny, images: torch.Tensor) -> torch.Tensor:
    """(N, 3, 64, 64) uint8 to latents (N, 8, 8, 8)."""
    vae = vae.to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        parts = [vae.encoder(part.float().div(127.5).sub(1)).float() for part in images.split(CHUNK)]
    return torch.cat(parts)
