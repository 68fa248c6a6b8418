"""What training reads over and over, made once: latents and their prompts' condition, in files of CHUNK images."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_img2img import retrieve_latents
from safetensors.torch import load_file, save_file

from ..diffusion.noise import derive_seed
from ..files import replacing, sweep
from ..images import read_image
from ..quoting import quoted
from ..reading import told
from .data import Data
from .disk import saving
from .layouts import Condition, StableDiffusion

CHUNK = 50
LATENTS = "latents"
Parts = dict[str, torch.Tensor]


class Latents:
    """All chunks of a folder, of which rows are taken in any order; the files stay on disk until they are read."""

    def __init__(self, folder: Path, count: int):
        self.count = count
        self.chunks = [_read(path) for path in chunk_files(folder, count)]

    def rows(self, index: torch.Tensor) -> tuple[torch.Tensor, Condition]:
        """Latents (B, C, H, W) and the condition of images by their numbers (B,)."""
        found = [(self.chunks[i // CHUNK], i % CHUNK) for i in index.tolist()]
        parts = {name: torch.stack([chunk[name][row] for chunk, row in found]) for name in self.chunks[0]}
        return parts.pop(LATENTS), parts


def chunk_files(folder: Path, count: int) -> list[Path]:
    return [folder / f"{first:07}.safetensors" for first in range(0, count, CHUNK)]


def fill(folder: Path, data: Data, make: Callable[[slice], Parts]) -> Iterator[int]:
    """Make the chunks that a folder lacks; yields how many images each holds, at once for those that are there."""
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    for number, path in enumerate(chunk_files(folder, len(data.prompts))):
        rows = slice(number * CHUNK, min((number + 1) * CHUNK, len(data.prompts)))
        if not path.exists():
            parts = {name: value.cpu().contiguous() for name, value in make(rows).items()}
            _check_finite(parts, rows.start)
            with saving(path), replacing(path) as beside:
                save_file(parts, beside)
        yield rows.stop - rows.start


def _check_finite(parts: Parts, first: int) -> None:
    for name, value in parts.items():
        finite = value.flatten(1).isfinite().all(1)
        if not finite.all():
            number = first + int(finite.int().argmin())
            raise ValueError(
                f"the model makes {name} of image {number} that are not finite; give --dtype float32, and look at the "
                "model if that does not help"
            )


def maker(
    layout: StableDiffusion, data: Data, seed: int, batch: int, steps: int, guidance: float
) -> Callable[[slice], Parts]:
    """What makes a chunk: of the data's images, or of images that the teacher draws in `steps` with its guidance."""
    latents = partial(_encoded, layout, data) if data.images else partial(_drawn, layout, data, seed, steps, guidance)

    def make(rows: slice) -> Parts:
        parts = [slice(first, min(first + batch, rows.stop)) for first in range(rows.start, rows.stop, batch)]
        made = [{LATENTS: latents(part), **layout.encode(data.prompts[part])} for part in parts]
        return {name: torch.cat([one[name].cpu() for one in made]) for name in made[0]}

    return make


@torch.no_grad()
def _encoded(layout: StableDiffusion, data: Data, rows: slice) -> torch.Tensor:
    """The autoencoder's latents of images, cut to the size in their middle, as the network is given them."""
    pipeline, (width, height) = layout.pipeline, layout.size
    pictures: Any = [read_image(path) for path in data.images[rows]]
    pixels = pipeline.image_processor.preprocess(pictures, height, width, resize_mode="crop")
    vae = pipeline.vae
    latents = retrieve_latents(vae.encode(pixels.to(vae.device, vae.dtype)), sample_mode="argmax")
    return (latents.float() - (vae.config.shift_factor or 0.0)) * vae.config.scaling_factor


def _drawn(layout: StableDiffusion, data: Data, seed: int, steps: int, guidance: float, rows: slice) -> torch.Tensor:
    """Latents that the teacher draws, image i from a seed of its own."""
    width, height = layout.size
    seeds = [derive_seed(seed, LATENTS, i) for i in range(rows.start, rows.stop)]
    return layout.pipeline(
        list(data.prompts[rows]),
        num_inference_steps=steps,
        guidance_scale=guidance,
        width=width,
        height=height,
        generator=[torch.Generator().manual_seed(one) for one in seeds],
        output_type="latent",
    ).images.float()


def decode(layout: StableDiffusion, latents: torch.Tensor) -> torch.Tensor:
    """Pixels (B, 3, H, W) in -1..1 of latents as the network is given them."""
    vae: Any = layout.pipeline.vae
    raw = latents / vae.config.scaling_factor + (vae.config.shift_factor or 0.0)
    return vae.decode(raw.to(vae.device, vae.dtype)).sample


def _read(path: Path) -> Parts:
    with told(f"{quoted(path)} is damaged; delete it and give the command again"):
        return load_file(path)
