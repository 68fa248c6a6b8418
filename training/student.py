"""Distil the teacher into a student of one or two steps.

Every point of the path along which the teacher samples leads to the same clean latent (arXiv 2303.01469). The student
learns to name it at once (arXiv 2101.02388): from pure noise, and from points further on, which sampling in several
steps needs (arXiv 2310.04378). The teacher's guidance is part of its paths, so the student needs none.

The student is stopped after few steps, while it is still clearly short of the teacher, so that the demo has images to
improve; a longer run comes close to the teacher in a single step.

python -m training.student
"""

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch import nn

from adaptive_diffusion.diffusion.schedules import trailing_timesteps
from adaptive_diffusion.files import replacing

from .common import Run, averaged_weights, options
from .data import encoded_scenes
from .diffusion import blank_tokens, encode, guided, new_unet, predict, signal_and_noise
from .sampling import noise_of, seeds_for
from .teacher import trained_teacher
from .workers import on_workers, place

BATCH = 64
RATE = 5e-4
CFG = 3.0
PATH = torch.tensor(trailing_timesteps(8))
SHARES = torch.tensor([8.0, 1.0, 1.0, 1.0, 4.0, 1.0, 1.0, 1.0])
PATHS, CHUNK = 6000, 250
HUBER = 0.01
AVERAGE = 0.95
SEED = 3


def trained_student(out: Path) -> UNet2DConditionModel:
    return averaged_weights(out / "student", new_unet())


@torch.no_grad()
def path_from(teacher: nn.ModuleDict, noise: torch.Tensor, states: torch.Tensor, blank: torch.Tensor) -> torch.Tensor:
    """Guided DDIM (arXiv 2010.02502) from `noise` (B, 8, 8, 8): x at each time of PATH and its end, (B, 9, 8, 8, 8)."""
    x, points = noise, [noise]
    for i, t in enumerate(PATH):
        signal, sigma = signal_and_noise(t.view(1))
        v = guided(teacher["unet"], x, t.expand(len(x)), states, blank, CFG)
        clean, direction = signal * x - sigma * v, sigma * x + signal * v
        below = signal_and_noise(PATH[i + 1].view(1)) if i + 1 < len(PATH) else (1.0, 0.0)
        x = below[0] * clean + below[1] * direction
        points.append(x)
    return torch.stack(points, 1)


def draw_paths(teacher: nn.ModuleDict, tokens: torch.Tensor, folder: Path) -> None:
    """Write this process's share of the paths for the captions `tokens` (N, 24), CHUNK to a file; skip those there."""
    rank, workers = place()
    blank, seeds = encode(teacher["text"], blank_tokens()), seeds_for(len(tokens), SEED)
    for i, part in list(enumerate(tokens.split(CHUNK)))[rank::workers]:
        path = folder / f"{i:04}.pt"
        if not path.exists():
            noise = noise_of(seeds[i * CHUNK : (i + 1) * CHUNK])
            points = path_from(teacher, noise, encode(teacher["text"], part), blank)
            with replacing(path) as beside:
                torch.save(points.half(), beside)


def loss_of(student: nn.Module, points: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
    """Pseudo-Huber distance (arXiv 2310.14189) of the student's clean latents to the ends of paths (B, 9, 8, 8, 8)."""
    place = torch.multinomial(SHARES, len(points), replacement=True)
    x = points[torch.arange(len(points)), place].float()
    signal, sigma = signal_and_noise(PATH[place])
    clean = signal * x - sigma * predict(student, x, PATH[place], states)
    return ((clean - points[:, -1].float()).square() + HUBER**2).sqrt().mean() - HUBER


def train(steps: int, out: Path) -> None:
    teacher, tokens = trained_teacher(out), encoded_scenes(out)[1][:PATHS]
    draw_paths(teacher, tokens, out / "student/paths")
    torch.distributed.barrier()
    points = torch.cat([torch.load(path, weights_only=True) for path in sorted((out / "student/paths").glob("*.pt"))])
    student = new_unet()
    student.load_state_dict(teacher["unet"].state_dict())
    student = student.to(memory_format=torch.channels_last)

    def loss(progress: float) -> torch.Tensor:
        pick = torch.randint(len(points), (BATCH,))
        return loss_of(student, points[pick], encode(teacher["text"], tokens[pick]))

    Run(out / "student", student, RATE, AVERAGE, decay=0.0).train(steps, loss, SEED)


if __name__ == "__main__":
    chosen = options(__doc__, steps=60).parse_args()
    on_workers(chosen.workers, train, chosen.steps, chosen.out)
