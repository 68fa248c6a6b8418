"""Go over the teacher once more with half of every batch scenes of one object, which the data has fewest of.

The text model stays as it is, because the student shares it.

python -m training.tune --minutes 4.5
"""

import argparse
import time
from pathlib import Path

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .common import RUNS, save_checkpoint, set_rate
from .data import encoded_scenes
from .diffusion import blank_tokens
from .scenes import SIZES
from .student import averaged_teacher
from .teacher import AVERAGE, BATCH, DROP_CAPTION, SCENES, loss_of
from .text import new_tokenizer
from .workers import share_gradients, shared_progress, start_worker

RATE = 3e-4
PORT = 29543
SEED = 6


def of_one_object(tokens: torch.Tensor) -> torch.Tensor:
    """The places of the captions (N, 24) that name a size, which only those of one object do."""
    sizes = torch.tensor(new_tokenizer().convert_tokens_to_ids(list(SIZES)))
    return torch.isin(tokens, sizes).any(1).nonzero().flatten()


def train(rank: int, workers: int, minutes: float, out: Path, seed: int) -> None:
    start_worker(rank, workers, PORT)
    latents, tokens = encoded_scenes(out / "vae/vae", out / "scenes.pt", SCENES, seed)
    single = of_one_object(tokens)
    model = averaged_teacher(out / "teacher")
    model["unet"].requires_grad_(True)
    optimiser = torch.optim.AdamW(model["unet"].parameters(), RATE, betas=(0.9, 0.99), weight_decay=0.01)
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE))
    torch.manual_seed(SEED * 1000 + rank)
    blank, start, step = blank_tokens(), time.monotonic(), 0
    while (progress := shared_progress(start, minutes)) < 1:
        set_rate(optimiser, RATE, progress)
        some = single[torch.randint(len(single), (BATCH // 2,))]
        pick = torch.cat([some, torch.randint(len(latents), (BATCH - len(some),))])
        captions = torch.where(torch.rand(BATCH, 1) < DROP_CAPTION, blank, tokens[pick])
        loss = loss_of(model, latents[pick], captions)
        optimiser.zero_grad()
        loss.backward()
        share_gradients(model)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        averaged.update_parameters(model)
        step += 1
        if rank == 0 and step % 100 == 0:
            print(f"{step} steps, {progress:.1%}, loss {loss.item():.4f}", flush=True)
    if rank == 0:
        save_checkpoint(out / "tuned", model, optimiser, time.monotonic() - start, step, averaged)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--minutes", type=float, default=4.5)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--out", type=Path, default=RUNS)
    options.add_argument("--seed", type=int, default=2)
    chosen = options.parse_args()
    arguments = (chosen.workers, chosen.minutes, chosen.out, chosen.seed)
    torch.multiprocessing.spawn(train, arguments, nprocs=chosen.workers)


if __name__ == "__main__":
    main()
