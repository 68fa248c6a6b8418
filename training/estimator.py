"""Train the demo's quality estimator, ImageReward's form in small (arXiv 2304.05977). Minutes are processor time.

    python -m training.estimator pretrain    on drawn scenes
    python -m training.estimator finetune    on images of the demo models, the oracle standing in for human raters
    python -m training.estimator measure     on images of held-out captions
    python -m training.estimator             all three

The estimator learns from the oracle that also grades it: its figures say how well it copies that rater.
"""

import argparse
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from adaptive_diffusion.estimators import load
from adaptive_diffusion.estimators.blip_reward import BlipReward

from .common import RUNS, load_checkpoint, save_checkpoint, set_rate
from .export import DEMO_MODELS
from .judging import SETTINGS, Learner, losses_of
from .pictures import Pictures, join, renders
from .ratings import agreement, samples, student, student_otherwise, teacher

BATCH = 64
PRETRAINING_RATE, FINETUNING_RATE = 1e-3, 4e-4
GROWING_HARDER = 0.5
HARDEST = 0.9
DRAWN, DRAWN_BESIDE_SAMPLES = 40000, 4000
STUDENT_IMAGES, OTHERWISE_IMAGES = 1600, 600
AVERAGE = 0.995
SAVE_EVERY = 100
SEED = 5


class Run:
    """A training run that can be stopped and gone on with: everything lies in `folder`."""

    def __init__(self, folder: Path, rate: float, start: Path | None = None):
        torch.manual_seed(SEED)
        self.folder, self.rate = folder, rate
        self.learner = averaged_learner(start) if start else Learner()
        self.averaged = AveragedModel(self.learner, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE))
        self.optimiser = torch.optim.AdamW(self.learner.parameters(), rate, betas=(0.9, 0.98), weight_decay=0.02)
        spent, self.step = load_checkpoint(folder, self.learner, self.optimiser, self.averaged)
        self.begun = time.process_time() - spent

    @property
    def seconds(self) -> float:
        return time.process_time() - self.begun

    def save(self) -> None:
        save_checkpoint(self.folder, self.learner, self.optimiser, self.seconds, self.step, self.averaged)

    def learn(self, losses: Sequence[torch.Tensor], progress: float) -> None:
        set_rate(self.optimiser, self.rate, progress)
        self.optimiser.zero_grad()
        torch.stack(list(losses)).sum().backward()
        nn.utils.clip_grad_norm_(self.learner.parameters(), 1.0)
        self.optimiser.step()
        self.averaged.update_parameters(self.learner)
        self.step += 1


def train(run: Run, pictures: Pictures, minutes: float, growing: float = 0.0) -> None:
    """Train for `minutes` of processor time; near misses become as frequent as they get after the share `growing`."""
    rng = random.Random(SEED + run.step)
    while (progress := run.seconds / (60 * minutes)) < 1:
        difficulty = HARDEST * min(1.0, progress / growing) if growing else HARDEST
        pick = rng.sample(range(len(pictures)), BATCH)
        losses = losses_of(run.learner, pictures, pick, rng, difficulty)
        run.learn(losses, progress)
        if run.step % SAVE_EVERY == 0:
            print(f"{run.step} steps, {progress:.1%}, " + " ".join(f"{loss.item():.3f}" for loss in losses), flush=True)
            run.save()
    run.save()


def averaged_learner(folder: Path) -> Learner:
    """The averaged weights of a run."""
    averaged = AveragedModel(Learner())
    averaged.load_state_dict(torch.load(folder / "checkpoint.pt", weights_only=True)["averaged"])
    return averaged.module


def pretrain(out: Path, minutes: float) -> None:
    train(Run(out / "pretraining", PRETRAINING_RATE), renders(DRAWN, SEED), minutes, GROWING_HARDER)


def finetune(out: Path, models: Path, minutes: float) -> None:
    sources = (student(models, STUDENT_IMAGES), student_otherwise(models, OTHERWISE_IMAGES))
    made = [samples(source, models, SEED + 1 + i, out / "samples") for i, source in enumerate(sources)]
    drawn = renders(DRAWN_BESIDE_SAMPLES, SEED + 3)
    train(Run(out / "finetuning", FINETUNING_RATE, out / "pretraining"), join([*made, drawn]), minutes)
    export(averaged_learner(out / "finetuning"), made[0], models)


def export(learner: Learner, made: Pictures, models: Path) -> None:
    """Write the estimator in half precision; its scores get mean 0 and deviation 1 over the student's images `made`."""
    judge = BlipReward(learner.net.eval(), SETTINGS, made.images.shape[-1])
    raw = judge_all(judge, made)
    settings = replace(SETTINGS, score_mean=raw.mean().item(), score_std=raw.std().item())
    weights = {key: tensor.half().contiguous() for key, tensor in learner.net.state_dict().items()}
    path = models / "estimator/model.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, path, metadata=settings.metadata())


def judge_all(judge, pictures: Pictures) -> torch.Tensor:
    """Scores (N,) of pictures for the prompts they were drawn from."""
    captions = [scene.caption for scene in pictures.asked]
    parts = zip(pictures.images.split(BATCH), range(0, len(pictures), BATCH), strict=True)
    return torch.cat([judge.score(part.movedim(1, -1) / 255, captions[i : i + BATCH]) for part, i in parts])


def measure(out: Path, models: Path, count: int) -> None:
    """Print how well the written estimator agrees with the oracle, on the student's images and the teacher's."""
    judge = load(models / "estimator/model.safetensors")
    for i, source in enumerate((student(models, count), teacher(models, count // 3))):
        pictures = samples(source, models, SEED + 100 + i, out / "samples", evaluation=True)
        print(f"{source.model}, {source.steps} steps: {agreement(judge_all(judge, pictures), pictures)}", flush=True)


STAGES = ("pretrain", "finetune", "measure")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("stage", nargs="?", choices=STAGES, help="all three where none is named")
    options.add_argument("--pretraining-minutes", type=float, default=15)
    options.add_argument("--finetuning-minutes", type=float, default=2.5)
    options.add_argument("--count", type=int, default=900, help="student images to measure on (a third of the teacher)")
    options.add_argument("--models", type=Path, default=DEMO_MODELS)
    options.add_argument("--out", type=Path, default=RUNS / "estimator")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    for stage in [chosen.stage] if chosen.stage else STAGES:
        if stage == "pretrain":
            pretrain(chosen.out, chosen.pretraining_minutes)
        elif stage == "finetune":
            finetune(chosen.out, chosen.models, chosen.finetuning_minutes)
        else:
            measure(chosen.out, chosen.models, chosen.count)


if __name__ == "__main__":
    main()
