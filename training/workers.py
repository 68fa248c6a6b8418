"""Training on several processes of one thread each: for networks this small that is faster than one of many threads."""

import os
import time

import torch
import torch.distributed as dist
from torch import nn


def start_worker(rank: int, workers: int, port: int) -> None:
    """Make this process number `rank` of a group that meets at a local port."""
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo")
    dist.init_process_group("gloo", rank=rank, world_size=workers)


def shared_progress(start: float, minutes: float) -> float:
    """The share of the minutes that is gone since `start` by the first process's clock, 0..1 and more."""
    progress = torch.tensor((time.monotonic() - start) / (60 * minutes))
    dist.broadcast(progress, 0)
    return progress.item()


def share_gradients(model: nn.Module) -> None:
    """Average the gradients of all processes in one message."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    parts = flat.div(dist.get_world_size()).split([g.numel() for g in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))
