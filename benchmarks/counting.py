"""Evaluations of a network, counted where they happen."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Evaluations:
    """rows: images (or halves of guidance) that went through; calls: batches they went in."""

    def __init__(self) -> None:
        self.rows = self.calls = 0

    def __call__(self, _network: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        self.rows += len(given[0])
        self.calls += 1


@contextmanager
def counting(*networks: torch.nn.Module) -> Iterator[Evaluations]:
    """What goes through any of the networks while the block runs."""
    counted = Evaluations()
    handles = [network.register_forward_pre_hook(counted) for network in networks]
    try:
        yield counted
    finally:
        for handle in handles:
            handle.remove()
