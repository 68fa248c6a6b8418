"""The training loop: seeded step by step, so that a run that was stopped goes on to the same bits."""

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import ProjectConfiguration
from diffusers.optimization import get_scheduler

from ..diffusion.noise import derive_seed
from . import checkpoints
from .latents import Latents
from .objective import STUDENT, Loss, Objective

WARM_UP = 0.05
BETAS = (0.9, 0.99)
LONGEST_GRADIENT = 1.0
PRECISIONS = {"float32": "no", "float16": "fp16", "bfloat16": "bf16"}
LOGS = "logs"


@dataclass(frozen=True)
class Plan:
    """How long and how fast a run learns. rate: the highest, after a warm-up; it falls to 0. tensorboard: log there."""

    steps: int
    batch: int
    rate: float
    seed: int
    save_every: int
    dtype: str
    tensorboard: bool = False


class Training:
    """A run of training in a folder. step: how many are done, those of an earlier process among them."""

    def __init__(self, objective: Objective, latents: Latents, plan: Plan, folder: Path, device: str):
        self.objective, self.latents, self.plan, self.folder = objective, latents, plan, folder
        self.accelerator = _accelerator(plan, folder, device)
        self.optimisers: dict[str, tuple[Any, Any]] = {}
        for name, network in objective.learners.items():
            self.optimisers[name] = self._prepared(name, network)
        if objective.averaged:
            self.accelerator.register_for_checkpointing(objective.averaged)
        self.step = checkpoints.load(self.accelerator, folder)

    def run(self) -> Iterator[dict[str, float]]:
        """Learn the steps that are left; yields the losses of each, after its checkpoint where it has one.

        ValueError where a loss is not finite; the last checkpoint is from before.
        """
        while self.step < self.plan.steps:
            losses = self._learn()
            self.step += 1
            if self.is_milestone:
                checkpoints.save(self.accelerator, self.folder, self.step)
            self.accelerator.log(losses, step=self.step)
            yield losses
        self.accelerator.end_training()

    @property
    def is_milestone(self) -> bool:
        """Whether a checkpoint is made after this step."""
        return self.step % self.plan.save_every == 0 or self.step == self.plan.steps

    def _prepared(self, name: str, network: torch.nn.Module) -> tuple[Any, Any]:
        """The network's optimiser and its learning rates."""
        weights = [weight for weight in network.parameters() if weight.requires_grad]
        optimiser = torch.optim.AdamW(weights, self.plan.rate, BETAS, weight_decay=0.0)
        warm_up = max(1, round(WARM_UP * self.plan.steps))
        rates = get_scheduler(
            "linear", optimiser, num_warmup_steps=warm_up, num_training_steps=max(self.plan.steps, warm_up + 1)
        )
        self.objective.learners[name], prepared, rates = self.accelerator.prepare(network, optimiser, rates)
        return prepared, rates

    def _learn(self) -> dict[str, float]:
        torch.manual_seed(derive_seed(self.plan.seed, "step", self.step))
        latents, condition = self.latents.rows(torch.randint(self.latents.count, (self.plan.batch,)))
        device = self.accelerator.device
        there = {name: value.to(device) for name, value in condition.items()}
        found = {}
        losses = self.objective.losses(latents.to(device), there, self.step / self.plan.steps)
        for name, loss in self._in_precision(losses):
            found[name] = self._update(name, loss)
        if self.objective.averaged:
            self.objective.averaged.step(self.objective.learners[STUDENT].parameters())
        return found

    def _in_precision(self, losses: Iterator[Loss]) -> Iterator[Loss]:
        while True:
            with self.accelerator.autocast():
                pair = next(losses, None)
            if pair is None:
                return
            yield pair

    def _update(self, name: str, loss: torch.Tensor) -> float:
        value = loss.item()
        if not math.isfinite(value):
            raise ValueError(
                f"the {name}'s loss is {value} at step {self.step}; give a lower --rate in another folder, or float32"
            )
        optimiser, rates = self.optimisers[name]
        optimiser.zero_grad()
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_([p for g in optimiser.param_groups for p in g["params"]], LONGEST_GRADIENT)
        optimiser.step()
        rates.step()
        return value


def _accelerator(plan: Plan, folder: Path, device: str) -> Accelerator:
    places = ProjectConfiguration(
        str(folder), str(folder / LOGS), automatic_checkpoint_naming=True, total_limit=checkpoints.KEPT
    )
    accelerator = Accelerator(
        mixed_precision=PRECISIONS[plan.dtype],
        cpu=device == "cpu",
        log_with="tensorboard" if plan.tensorboard else None,
        project_config=places,
    )
    logging.getLogger("accelerate").setLevel(logging.ERROR)  # its advice is not for who gives a command
    checkpoints.keep_trained_alone(accelerator)
    if plan.tensorboard:
        accelerator.init_trackers("student")
    return accelerator
