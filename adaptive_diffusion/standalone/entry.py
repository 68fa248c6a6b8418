"""Entering a diffusers scheduler at a rollback, so that exactly the steps asked for are left."""

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from ..diffusion.rollback import rollback_sigmas
from ..diffusion.schedules import DiscreteSchedule, FlowSchedule, from_diffusers
from ..quoting import quoted

Scheduler = Any


@contextmanager
def entered(scheduler: Scheduler, scale: str, value: float, steps: int) -> Iterator[None]:
    """Meanwhile the scheduler's `set_timesteps`, asked for `steps`, gives the levels of `rollback_sigmas`.

    For diffusers' image-to-image at strength 1, which runs all of them. `set_timesteps` raises ValueError as
    `rollback_sigmas` does, and where the scheduler does not step from one level to the next.
    """
    own = scheduler.set_timesteps

    @functools.wraps(own)
    def set_timesteps(*arguments: Any, mu: float | None = None, **options: Any) -> None:
        own(*arguments, **options, **({} if mu is None else {"mu": mu}))
        schedule = _schedule(scheduler, mu) if _goes_by_levels(scheduler, steps) else None
        if schedule is None:
            raise _refusal(scheduler, scale)
        levels = rollback_sigmas(scale, value, steps, schedule)
        _replace(scheduler, scale, [*levels[:-1], float(scheduler.sigmas[-1])], schedule)

    scheduler.set_timesteps = set_timesteps
    try:
        yield
    finally:
        del scheduler.set_timesteps


def _goes_by_levels(scheduler: Scheduler, steps: int) -> bool:
    """Whether it has a level for each step and one to end at, and nothing else that follows from them."""
    sigmas = getattr(scheduler, "sigmas", ())
    alone = getattr(scheduler, "solver_p", None) is None
    discrete = scheduler.config.get("timestep_type", "discrete") == "discrete"
    return alone and discrete and (len(sigmas), len(scheduler.timesteps)) == (steps + 1, steps)


def _schedule(scheduler: Scheduler, mu: float | None) -> DiscreteSchedule | FlowSchedule | None:
    try:
        return from_diffusers(scheduler, mu)
    except ValueError:
        return None


def _replace(
    scheduler: Scheduler, scale: str, levels: Sequence[float], schedule: DiscreteSchedule | FlowSchedule
) -> None:
    """levels: falling, the last where the scheduler itself ends, at 0 or shortly above."""
    if not levels[-2] > levels[-1]:
        raise _refusal(scheduler, scale)
    times = [schedule.timestep_at(sigma) for sigma in levels[:-1]]
    scheduler.sigmas = torch.tensor(levels, dtype=torch.float64).to(scheduler.sigmas)
    scheduler.timesteps = torch.tensor(times, dtype=torch.float64).to(scheduler.timesteps)


def _refusal(scheduler: Scheduler, scale: str) -> ValueError:
    return ValueError(
        f"the teacher's {type(scheduler).__name__} cannot be entered at a rollback in scale {quoted(scale)}; "
        "give it another scheduler, such as UniPCMultistepScheduler, or leave rollback_scale out"
    )
