"""Which rows of which batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from ..diffusion.noise import derive_seed


@dataclass(frozen=True)
class Rows:
    """Some rows of a batch, in order.

    numbers: their places in the batch, from 0. batch: how many rows it has.
    """

    numbers: tuple[int, ...]
    batch: int

    @classmethod
    def whole(cls, batch: int) -> "Rows":
        """All rows of a batch."""
        return cls(tuple(range(batch)), batch)

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)

    @property
    def are_all(self) -> bool:
        """Whether these are all rows of the batch in their order."""
        return self.numbers == tuple(range(self.batch))

    def at(self, positions: Sequence[int]) -> "Rows":
        """The rows that lie at `positions` among these."""
        return Rows(tuple(self.numbers[i] for i in positions), self.batch)

    def pick(self, tensor: torch.Tensor) -> torch.Tensor:
        """These rows of a tensor (n, ...) that ComfyUI would repeat over the batch: row i is tensor[i % n]."""
        return tensor[[number % tensor.shape[0] for number in self.numbers]]

    def seeds(self, seed: int, purpose: str) -> list[int]:
        """One seed for each row, which its number decides and not its neighbours."""
        return [derive_seed(seed, purpose, number) for number in self.numbers]
