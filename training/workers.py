"""Training on several processes of one thread each: for networks this small that is faster than one of many threads."""

import os
from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import nn

PORT = 29541


def on_workers(workers: int, stage: Callable[..., None], *arguments) -> None:
    """Call `stage(*arguments)` in `workers` processes whose gradients are shared."""
    torch.multiprocessing.spawn(_work, (workers, stage, arguments), nprocs=workers)


def _work(rank: int, workers: int, stage: Callable[..., None], arguments: tuple) -> None:
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(PORT), GLOO_SOCKET_IFNAME="lo")
    dist.init_process_group("gloo", rank=rank, world_size=workers)
    stage(*arguments)
    dist.destroy_process_group()


def place() -> tuple[int, int]:
    """This process's number and how many there are; (0, 1) outside `on_workers`."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def share_gradients(model: nn.Module) -> None:
    """Average the gradients of all processes in one message."""
    if not dist.is_initialized():
        return
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    parts = flat.div(dist.get_world_size()).split([g.numel() for g in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))
