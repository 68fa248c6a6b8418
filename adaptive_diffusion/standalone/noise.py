"""The noise that a scheduler of diffusers draws while it steps: each image's own, or found out not to be."""

import copy
import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from ..diffusion.noise import derive_seed

Pipeline = Any
Scheduler = Any
TREE, TREE_SEED = "noise_sampler", "noise_sampler_seed"
SEEDS, STEPS, SHAPE, TOLERANCE = (11, 12, 13), 4, (4, 8, 8), 1e-4


@contextmanager
def own_noise(scheduler: Scheduler, seeds: Sequence[int]) -> Iterator[None]:
    """Meanwhile a scheduler that takes its noise from Brownian trees grows one for each image, from the image's seed.

    Others take it from the images' generators. A tree that is left of an earlier drawing is not used again.
    """
    fresh = {TREE: None, TREE_SEED: [derive_seed(seed, "steps") for seed in seeds]}
    before = {name: getattr(scheduler, name) for name in fresh if hasattr(scheduler, name)}
    for name in before:
        setattr(scheduler, name, fresh[name])
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(scheduler, name, value)


def check_reproducible(pipeline: Pipeline, role: str) -> None:
    """ValueError where an image of the pipeline depends on more than its seed, so that no run could go on with it."""
    if not steps_apart(pipeline.scheduler):
        raise ValueError(
            f"the {role}'s {type(pipeline.scheduler).__name__} draws noise that no image's seed decides, so that a run "
            "that was stopped could not go on with the same images; give it another scheduler"
        )


def steps_apart(scheduler: Scheduler) -> bool:
    """Whether an image comes out the same alone, among others, at another place and again; found out without a network.

    A scheduler that cannot step so, such as one that needs more than its pipeline tells, is taken at its word.
    """
    own = copy.deepcopy(scheduler)
    try:
        together = _stepped(own, (0, 1, 2))
        others = [(rows, _stepped(own, rows)) for rows in ((2, 0, 1), (1,), (0, 1, 2))]
    except Exception:  # whatever a scheduler says that is stepped without its pipeline
        return True
    limit = TOLERANCE * together.std()
    return all(bool((part - together[list(rows)]).abs().max() <= limit) for rows, part in others)


def _stepped(scheduler: Scheduler, rows: Sequence[int]) -> torch.Tensor:
    """What becomes of these rows of noise along the scheduler's own list of timesteps."""
    dynamic = scheduler.config.get("use_dynamic_shifting", False)
    scheduler.set_timesteps(STEPS, **({"mu": 1.0} if dynamic else {}))
    generators = [torch.Generator().manual_seed(SEEDS[row]) for row in rows]
    more = {"generator": generators} if "generator" in inspect.signature(scheduler.step).parameters else {}
    x = torch.stack([torch.randn(SHAPE, generator=generator) for generator in generators])
    x = x * getattr(scheduler, "init_noise_sigma", 1.0)
    with own_noise(scheduler, [SEEDS[row] for row in rows]):
        for timestep in scheduler.timesteps:
            seen = scheduler.scale_model_input(x, timestep) if hasattr(scheduler, "scale_model_input") else x
            x = scheduler.step(0.3 * seen + 0.3 * seen.roll(1, -1), timestep, x, **more).prev_sample
    return x
