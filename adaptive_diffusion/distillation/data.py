"""What a student learns from: images with their prompts, or prompts alone, of which the teacher draws the images."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..images import check_image
from ..prompts import CAPTION, check_text, read_prompts, repeated
from ..quoting import quoted
from ..standalone.galleries import open_gallery


@dataclass(frozen=True)
class Data:
    """prompts: one for each image. images: their files; none where the teacher draws them."""

    prompts: tuple[str, ...]
    images: tuple[Path, ...] = ()

    @property
    def digest(self) -> str:
        """Letters that differ for other prompts, and for images of other names or sizes."""
        files = [(path.name, path.stat().st_size) for path in self.images]
        return hashlib.sha256(json.dumps([self.prompts, files]).encode()).hexdigest()


def read_data(path: Path, column: str = CAPTION, pictures: int = 1) -> Data:
    """A folder of images with their prompts, or a file of prompts, each for so many pictures.

    ValueError where an image is missing, a prompt is empty, or nothing pairs the images with prompts.
    """
    if not path.is_dir():
        return Data(tuple(repeated(read_prompts(path, column), pictures)))
    gallery = open_gallery(path)
    if not gallery.prompts:
        raise ValueError(
            f"nothing in {quoted(path)} says what its images show; write metadata.csv with file_name,text "
            "(or dir,text), a metadata.jsonl, or a NAME.txt beside each NAME.png"
        )
    _check_pairs(gallery.images, gallery.prompts)
    return Data(gallery.prompts, gallery.images)


def _check_pairs(images: Sequence[Path], prompts: Sequence[str]) -> None:
    for image, prompt in zip(images, prompts, strict=True):
        if not image.is_file():
            raise ValueError(f"there is no image {quoted(image)}; put it there, or take its line away")
        check_image(image)
        if not prompt.strip():
            raise ValueError(f"nothing says what {quoted(image)} shows; write its caption, or take the image away")
        check_text(prompt)
