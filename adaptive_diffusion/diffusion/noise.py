"""Random numbers that belong to an image, whatever batch it is in."""

import hashlib
from collections.abc import Sequence

import torch


def derive_seed(seed: int, *tags: str | int) -> int:
    """A 63-bit seed from `seed` and what it is for; the same in every process."""
    text = "\0".join(str(part) for part in (seed, *tags))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


class PerSampleNoise:
    """Unit noise shaped like x (B, ...), whose row i depends on `seeds`[i] alone; fresh at every call.

    Fits k-diffusion's `noise_sampler`. Drawn in float32 on the CPU, one generator per row, for x's dtype and device.
    """

    def __init__(self, x: torch.Tensor, seeds: Sequence[int]):
        if len(seeds) != x.shape[0]:
            raise ValueError(f"{len(seeds)} seeds came for a batch of {x.shape[0]}; give one per image")
        self.x = x
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, sigma: torch.Tensor | float, sigma_next: torch.Tensor | float) -> torch.Tensor:
        shape = self.x.shape[1:]
        rows = [torch.randn(shape, generator=generator) for generator in self.generators]
        return torch.stack(rows).to(self.x)
