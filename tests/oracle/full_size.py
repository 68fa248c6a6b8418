"""The 447 M parameter networks with random weights: first the package's scores, then the pack's, in any environment.

python -m tests.oracle.full_size package FOLDER [--photos PHOTOS]   in the oracle's environment
python -m tests.oracle.full_size pack FOLDER                        anywhere
"""

import argparse
import importlib
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy
import torch

from . import images, prompts
from .weights import FULL, HEADS

PROMPTS = prompts.SCORED[:5]
SIZES = [(224, 300), (401, 225), (512, 512), (333, 777), (640, 480), (768, 1152)] * 2
FILES = {"ImageReward": "ImageReward.pt", "CycleReward": "CycleReward-Combo.pth"}


def pictures(photos: Path | None) -> Iterator[numpy.ndarray]:
    """Images (height, width, 3), uint8, of many sizes: all in a folder, or coloured blocks without one."""
    from PIL import Image

    if photos is None:
        yield from (images.blocks(seed, *size) for seed, size in enumerate(SIZES))
    else:
        yield from (numpy.asarray(Image.open(path).convert("RGB")) for path in sorted(photos.iterdir()))


def cut(picture: numpy.ndarray) -> numpy.ndarray:
    """(224, 224, 3), uint8: what the packages' own Resize and CenterCrop leave."""
    from PIL import Image
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

    steps = Compose([Resize(FULL.image, InterpolationMode.BICUBIC), CenterCrop(FULL.image)])
    return numpy.asarray(steps(Image.fromarray(picture)))


def ask_package(folder: Path, photos: Path | None, kinds: Sequence[str]) -> None:
    """Keep weights, images and the package's scores in `folder`."""
    from . import package

    tables = {"whole": list(pictures(photos))}
    tables["exact"] = [cut(picture) for picture in tables["whole"]]
    stored = {f"{name} {i:02}": picture for name, rows in tables.items() for i, picture in enumerate(rows)}
    package.settle(folder)
    numpy.savez(folder / "images.npz", **stored)
    for kind in kinds:
        package.save(kind, FULL)
        score = package.load(kind, FULL)
        scores = {name: package.table(score, rows, PROMPTS) for name, rows in tables.items()}
        numpy.savez(folder / f"{kind}.npz", **scores)


def ask_pack(folder: Path, kinds: Sequence[str]) -> None:
    """Print the largest and the mean difference of the pack's scores to the package's."""
    from adaptive_diffusion import estimators

    print(*(f"{name} {version(name)}" for name in ("torch", "transformers", "tokenizers")), sep=", ")
    importlib.import_module("transformers")
    stored = numpy.load(folder / "images.npz")
    for kind in kinds:
        estimator = estimators.load(folder / FILES[kind])
        for name, theirs in numpy.load(folder / f"{kind}.npz").items():
            rows = [torch.from_numpy(stored[key])[None] / 255 for key in sorted(stored) if key.startswith(name)]
            ours = torch.cat([estimator.score_each(row, PROMPTS) for row in rows])
            report(f"{kind}, {name} images", ours.numpy(), theirs)


def report(title: str, ours: numpy.ndarray, theirs: numpy.ndarray) -> None:
    difference = numpy.abs(ours - theirs)
    spread = f"deviation over images {theirs.std(0).mean():.2g}, over prompts {theirs.std(1).mean():.2g}"
    print(f"{title}: {ours.size} scores, largest difference {difference.max():.2e}, mean {difference.mean():.2e}")
    print(f"  {spread}; largest by image: {' '.join(f'{value:.0e}' for value in difference.max(1))}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("side", choices=("package", "pack"))
    parser.add_argument("folder", type=Path, help="where weights, images and scores are kept (4 GB)")
    parser.add_argument("--photos", type=Path, help="a folder of image files; without it, coloured blocks")
    parser.add_argument("--kind", action="append", choices=HEADS, help="one of the networks; without it, both")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder, photos = options.folder.resolve(), options.photos and options.photos.resolve()
    kinds = options.kind or list(HEADS)
    if options.side == "package":
        ask_package(folder, photos, kinds)
    else:
        ask_pack(folder, kinds)


if __name__ == "__main__":
    main()
