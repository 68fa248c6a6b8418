"""Frechet inception distance (arXiv 1706.08500) by torchmetrics, with weights from a local file."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torchmetrics.image.fid import FrechetInceptionDistance, NoTrainInceptionV3

from ..estimators.weights import read
from ..quoting import quoted
from ..reading import told
from .galleries import read_batches

WEIGHTS = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"


def inception(weights: Path) -> torch.nn.Module:
    """Inception v3 of the original FID, images (B, 3, H, W) uint8 to features (B, 2048); resizes as TensorFlow 1 did.

    FileNotFoundError without the file, ValueError where it holds something else. The library would unpickle a file,
    so it gets what was read from it as weights only.
    """
    copy: Any = io.BytesIO()
    torch.save(read(weights)[0], copy)
    copy.seek(0)
    import torch_fidelity  # noqa: F401  torchmetrics takes the network from there

    with told(f"{quoted(weights.name)} does not hold the weights of FID's Inception; download {WEIGHTS}"):
        return NoTrainInceptionV3("inception-v3-compat", ["2048"], copy, antialias=False)


@torch.inference_mode()
def distance(
    extractor: torch.nn.Module, images: Sequence[Path], reference: Sequence[Path], device: str = "cpu"
) -> float:
    """FID of two sets of image files, 0 for the same; ValueError for sets of fewer than two.

    extractor: images (B, 3, H, W) uint8 to features (B, F). It falls with the number of images: compare equal numbers.
    """
    if min(len(images), len(reference)) < 2:
        raise ValueError(f"FID needs at least two images in each set; there are {len(images)} and {len(reference)}")
    metric = FrechetInceptionDistance(extractor).to(device)
    for files, real in ((images, False), (reference, True)):
        for batch in read_batches(files):
            metric.update(batch.movedim(-1, 1).to(device), real=real)
    return metric.compute().item()
