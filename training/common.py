"""What every stage of training shares: where runs lie, checkpoints, the learning rate."""

import math
from pathlib import Path

import numpy
import torch
from torch import nn

RUNS = Path(__file__).parent / "runs"
WARM_UP = 0.02


def images_to_tensor(images: numpy.ndarray) -> torch.Tensor:
    """(N, H, W, 3) uint8 to (N, 3, H, W) uint8."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def set_rate(optimiser: torch.optim.Optimizer, rate: float, progress: float) -> None:
    """Linear warm-up, then a cosine to a fiftieth, over `progress` 0..1."""
    factor = min(1.0, progress / WARM_UP) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))))
    for group in optimiser.param_groups:
        group["lr"] = rate * max(factor, 1e-3)


def save_checkpoint(
    run: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    seconds: float,
    step: int,
    averaged: nn.Module | None = None,
) -> None:
    """Keep everything needed to go on; written beside, then renamed."""
    run.mkdir(parents=True, exist_ok=True)
    state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "seconds": seconds, "step": step}
    if averaged is not None:
        state["averaged"] = averaged.state_dict()
    torch.save(state, run / "checkpoint.part")
    (run / "checkpoint.part").replace(run / "checkpoint.pt")


def load_checkpoint(
    run: Path, model: nn.Module, optimiser: torch.optim.Optimizer, averaged: nn.Module | None = None
) -> tuple[float, int]:
    """Restore an earlier run if there is one; returns the seconds and steps it had taken."""
    if not (run / "checkpoint.pt").exists():
        return 0.0, 0
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    if averaged is not None:
        averaged.load_state_dict(state["averaged"])
    return state["seconds"], state["step"]
