"""Train the demo's quality estimator, ImageReward's form in small (arXiv 2304.05977).

    python -m training.estimator pretrain    on drawn scenes
    python -m training.estimator finetune    on images of the demo models, the oracle standing in for human raters
    python -m training.estimator measure     on images of development captions
    python -m training.estimator             all three

The estimator learns from the oracle that also grades it: its figures say how well it copies that rater.
"""

import argparse
import random
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from adaptive_diffusion.estimators import load
from adaptive_diffusion.estimators.blip_reward import BlipReward

from .common import RUNS, Run, averaged_weights
from .export import DEMO_MODELS
from .judging import SETTINGS, Learner, losses_of
from .pictures import Pictures, join, renders
from .ratings import agreement, samples, student, student_otherwise, teacher
from .workers import on_workers

BATCH = 64
PRETRAINING_RATE, FINETUNING_RATE = 1e-3, 4e-4
PRETRAINING_STEPS, FINETUNING_STEPS = 1200, 600
GROWING_HARDER = 0.5
HARDEST = 0.9
DRAWN, DRAWN_BESIDE_SAMPLES = 40000, 4000
STUDENT_IMAGES, OTHERWISE_IMAGES = 4500, 600
AVERAGE, DECAY = 0.99, 0.02
SEED = 5


def train(run: Run, pictures: Pictures, steps: int, growing: float = 0.0) -> None:
    """Train for `steps`; near misses become as frequent as they get after the share `growing`."""

    def loss(progress: float) -> torch.Tensor:
        difficulty = HARDEST * min(1.0, progress / growing) if growing else HARDEST
        rng = random.Random(int(torch.randint(2**31, ())))
        pick = rng.sample(range(len(pictures)), BATCH)
        return torch.stack(losses_of(run.model, pictures, pick, rng, difficulty)).sum()

    run.train(steps, loss, SEED)


def pretrain(out: Path) -> None:
    torch.manual_seed(SEED)
    run = Run(out / "pretraining", Learner(), PRETRAINING_RATE, AVERAGE, DECAY)
    train(run, renders(DRAWN, SEED), PRETRAINING_STEPS, GROWING_HARDER)


def finetune(out: Path, models: Path) -> None:
    learner = averaged_weights(out / "pretraining", Learner()).train().requires_grad_(True)
    run = Run(out / "finetuning", learner, FINETUNING_RATE, AVERAGE, DECAY)
    train(run, join([*rated_samples(out, models), renders(DRAWN_BESIDE_SAMPLES, SEED + 3)]), FINETUNING_STEPS)


def rated_samples(out: Path, models: Path) -> list[Pictures]:
    """Images of the student as the demo runs it, and of the student with other steps; drawn once."""
    sources = (student(models, STUDENT_IMAGES), student_otherwise(models, OTHERWISE_IMAGES))
    return [samples(source, models, SEED + 1 + i, out / "samples") for i, source in enumerate(sources)]


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
        pictures = samples(source, models, SEED + 100 + i, out / "samples", part="development")
        print(f"{source.model}, {source.steps} steps: {agreement(judge_all(judge, pictures), pictures)}", flush=True)


STAGES = ("pretrain", "finetune", "measure")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("stage", nargs="?", choices=STAGES, help="all three where none is named")
    options.add_argument("--count", type=int, default=900, help="student images to measure on (a third of the teacher)")
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--models", type=Path, default=DEMO_MODELS)
    options.add_argument("--out", type=Path, default=RUNS / "estimator")
    chosen = options.parse_args()
    for stage in [chosen.stage] if chosen.stage else STAGES:
        if stage == "pretrain":
            on_workers(chosen.workers, pretrain, chosen.out)
        elif stage == "finetune":
            made = rated_samples(chosen.out, chosen.models)
            on_workers(chosen.workers, finetune, chosen.out, chosen.models)
            export(averaged_weights(chosen.out / "finetuning", Learner()), made[0], chosen.models)
        else:
            measure(chosen.out, chosen.models, chosen.count)


if __name__ == "__main__":
    main()
