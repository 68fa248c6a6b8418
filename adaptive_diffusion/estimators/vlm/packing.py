"""An image and all questions on it in one sequence, in which no question sees another.

Sequence: what comes before the image, the image, what comes behind it, then a block for each question. Every block
continues as if it stood directly behind the image, in its positions and in what it attends to.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import torch


class Packed(NamedTuple):
    """positions: (3, T) of time, row and column. mask: (T, T), true where a row attends to a column.

    image: (T,), true for the image's tokens. lasts: (Q,) where the answer to each question begins.
    """

    positions: torch.Tensor
    mask: torch.Tensor
    image: torch.Tensor
    lasts: torch.Tensor


def pack(before: int, rows: int, columns: int, after: int, blocks: Sequence[int]) -> Packed:
    """Layout of `before` tokens, an image of rows * columns tokens, `after` tokens, and blocks of these lengths.

    Positions are those of Qwen's multimodal rotary embedding (arXiv 2409.12191, section 2.1).
    """
    cells = rows * columns
    shared = before + cells + after
    owner = torch.cat([torch.zeros(shared), *(torch.full((n,), i + 1) for i, n in enumerate(blocks))])
    total = len(owner)
    visible = (owner[None] == 0) | (owner[None] == owner[:, None])
    image = torch.zeros(total, dtype=torch.bool)
    image[before : before + cells] = True
    return Packed(
        _positions(before, rows, columns, after, blocks),
        visible & torch.ones(total, total, dtype=torch.bool).tril(),
        image,
        torch.tensor([shared + end - 1 for end in accumulate(blocks)]),
    )


def _positions(before: int, rows: int, columns: int, after: int, blocks: Sequence[int]) -> torch.Tensor:
    behind = before + max(rows, columns)
    image = torch.stack(
        [
            torch.full((rows * columns,), before),
            before + torch.arange(rows).repeat_interleave(columns),
            before + torch.arange(columns).repeat(rows),
        ]
    )
    text = [torch.arange(behind, behind + after), *(behind + after + torch.arange(length) for length in blocks)]
    return torch.cat([torch.arange(before).expand(3, -1), image, torch.cat(text).expand(3, -1)], 1)
