"""What every stage of training shares: where runs lie, and the loop that can be stopped and gone on with."""

import argparse
import math
import random
from collections.abc import Callable
from pathlib import Path

import numpy
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from adaptive_diffusion.files import replacing

from .workers import place, share_gradients

RUNS = Path(__file__).parent / "runs"
WARM_UP = 0.02
REPORT_EVERY, SAVE_EVERY = 50, 200


def images_to_tensor(images: numpy.ndarray) -> torch.Tensor:
    """(N, H, W, 3) uint8 to (N, 3, H, W) uint8."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)


class Run:
    """Training of `model` in `folder`: AdamW, gradients of length 1 at most, averaged weights kept beside."""

    def __init__(self, folder: Path, model: nn.Module, rate: float, average: float, decay: float = 0.01):
        self.folder, self.model, self.rate, self.step = folder, model, rate, 0
        weights = [p for p in model.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(weights, rate, betas=(0.9, 0.99), weight_decay=decay)
        self.averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(average))
        if (folder / "checkpoint.pt").exists():
            self._load(torch.load(folder / "checkpoint.pt", weights_only=True))

    def train(self, steps: int, loss_of: Callable[[float], torch.Tensor], seed: int) -> None:
        """Go on to `steps` steps; `loss_of` draws a batch and gives its loss, told how far training is (0..1)."""
        rank, workers = place()
        for generator in (torch.manual_seed, random.seed):
            generator((seed * 100_000 + self.step) * workers + rank)
        while self.step < steps:
            loss = loss_of(self.step / steps)
            self._learn(loss, self.step / steps)
            if rank == 0 and self.step % REPORT_EVERY == 0:
                print(f"{self.step} steps of {steps}, loss {loss.item():.4f}", flush=True)
            if rank == 0 and (self.step % SAVE_EVERY == 0 or self.step == steps):
                self._save()

    def _learn(self, loss: torch.Tensor, progress: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * rate_at(progress)
        self.optimiser.zero_grad()
        loss.backward()
        share_gradients(self.model)
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.averaged.update_parameters(self.model)
        self.step += 1

    def _save(self) -> None:
        """Keep everything needed to go on."""
        parts = {"model": self.model, "averaged": self.averaged, "optimiser": self.optimiser}
        state = {name: part.state_dict() for name, part in parts.items()}
        with replacing(self.folder / "checkpoint.pt") as beside:
            torch.save({**state, "step": self.step}, beside)

    def _load(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]


def rate_at(progress: float) -> float:
    """Share of the learning rate at `progress` 0..1: linear warm-up, then a cosine to a fiftieth."""
    return max(1e-3, min(1.0, progress / WARM_UP)) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))))


def averaged_weights(folder: Path, model: nn.Module) -> nn.Module:
    """`model` with the averaged weights of the run in `folder`, for use."""
    averaged = AveragedModel(model)
    averaged.load_state_dict(torch.load(folder / "checkpoint.pt", weights_only=True)["averaged"])
    return averaged.module.eval().requires_grad_(False)


def options(description: str, steps: int) -> argparse.ArgumentParser:
    """What every stage's command understands."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RUNS)
    return parser
