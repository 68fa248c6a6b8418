"""What estimators saw in images, so that other prompts for the same images cost no second look."""

from collections.abc import Callable

import torch
from torch.utils.weak import WeakIdKeyDictionary

MOST_KEPT = 2**30


class Seen:
    """Keeps what was seen in each image, on the CPU, for as long as ComfyUI keeps the images, up to MOST_KEPT bytes."""

    def __init__(self) -> None:
        self._kept: WeakIdKeyDictionary = WeakIdKeyDictionary()
        self._room = MOST_KEPT

    def of(self, images: torch.Tensor, rows: range, look: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """(R, ...) of R rows of images (B, H, W, 3): what `look` makes of them, called only where that is not known."""
        kept = self._kept.setdefault(images, {})
        if {*rows} <= kept.keys():
            return torch.cat([kept[row] for row in rows])
        seen = look(images[rows.start : rows.stop])
        if self._has_room(seen.nbytes):
            kept.update(zip(rows, seen.cpu().split(1), strict=True))
        return seen

    def _has_room(self, size: int) -> bool:
        """Whether so many bytes more may be kept; what is kept is counted only where there seems to be no room."""
        if size > self._room:
            self._room = MOST_KEPT - sum(each.nbytes for batch in self._kept.values() for each in batch.values())
        fits = size <= self._room
        self._room -= size * fits
        return fits
