"""Scenes encoded once: the latents and token ids that the teacher and the student are trained on."""

from pathlib import Path

import torch
from diffusers import AutoencoderTiny

from .common import images_to_tensor
from .scenes import dataset
from .text import tokenize

CHUNK = 250


def encoded_scenes(vae_folder: Path, cache: Path, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents (count, 8, 8, 8) and token ids (count, 24) of training scenes; kept in the file `cache`."""
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        scenes, images = dataset(count, seed)
        latents = encode_images(AutoencoderTiny.from_pretrained(vae_folder), images_to_tensor(images))
        torch.save((latents, tokenize([scene.caption for scene in scenes])), cache)
    return torch.load(cache, weights_only=True)


@torch.no_grad()
def encode_images(vae: AutoencoderTiny, images: torch.Tensor) -> torch.Tensor:
    """(N, 3, 64, 64) uint8 to latents (N, 8, 8, 8)."""
    vae = vae.eval().to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        parts = [vae.encoder(part.float().div(127.5).sub(1)).float() for part in images.split(CHUNK)]
    return torch.cat(parts)
