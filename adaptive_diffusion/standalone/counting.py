"""Evaluations of a network, counted where it is called."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


class Evaluations:
    """rows: images (or halves of guidance) that went through; calls: batches they went in."""

    def __init__(self) -> None:
        self.rows = self.calls = 0

    def __call__(self, _network: torch.nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        self.rows += len(next(iter((*given, *named.values()))))
        self.calls += 1


@contextmanager
def counting(*networks: torch.nn.Module) -> Iterator[Evaluations]:
    """What goes through any of the networks while the block runs; their first input has a row for each image."""
    counted = Evaluations()
    handles = [network.register_forward_pre_hook(counted, with_kwargs=True) for network in networks]
    try:
        yield counted
    finally:
        for handle in handles:
            handle.remove()
