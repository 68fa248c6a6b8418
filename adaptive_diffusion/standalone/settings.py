"""What a run of the pipeline is asked for, checked before anything is drawn or written."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..diffusion.rollback import check_scale
from ..diffusion.schedules import TRAIN_STEPS
from ..gate.ways import REFINE, REGENERATE
from ..numeric import ANY, GUIDANCE, IMAGES, PERCENT, SAFE, SEED, SIDE, STEPS, plain
from ..prompts import check_text
from ..quoting import quoted

RANGES = {
    "num_inference_steps_student": STEPS,
    "student_guidance": GUIDANCE,
    "num_inference_steps_teacher": STEPS,
    "teacher_guidance": GUIDANCE,
    "sigma": ANY,
    "k": PERCENT,
    "height": SIDE,
    "width": SIDE,
    "batch_size": IMAGES,
    "keep_safe": SAFE,
}
LCM_GUIDANCE = 8.0
SIDES = ("height", "width")


def numbers_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The pipeline's numbers, by name, as Python's own; a side may be None.

    ValueError where one is not finite or out of range.
    """
    left = {name for name in SIDES if settings[name] is None}
    return {name: None if name in left else each.of(name, settings[name]) for name, each in RANGES.items()}


def guidance_of(student: Any, asked: float | None) -> float:
    """What a pipeline of diffusers, as the student, is guided with: what is asked, else what suits its kind.

    A student of LCM's, or one that takes guidance as an input, is drawn at 8, as in the published example; any other at
    0, which is without guidance, as SDXL-Turbo was made for.
    """
    if asked is not None:
        return asked
    unet, transformer = (getattr(getattr(student, name, None), "config", {}) for name in ("unet", "transformer"))
    learned = unet.get("time_cond_proj_dim") or transformer.get("guidance_embeds")
    lcm = type(getattr(student, "scheduler", None)).__name__ == "LCMScheduler"
    return LCM_GUIDANCE if learned or lcm else 0.0


def of_pipeline(steps: int, guidance: float, negative_prompt: str | None) -> dict[str, Any]:
    """What a pipeline of diffusers is called with."""
    return {"num_inference_steps": steps, "guidance_scale": guidance, "negative_prompt": negative_prompt}


def of_rollback(strategy: str, steps: int, sigma: float, scale: str | None) -> dict[str, Any]:
    """How diffusers is asked to enter its schedule so that exactly `steps` steps are left; ValueError where it cannot.

    Where its scheduler is entered already, all of it. Else the few pipelines that round the number of steps up, as
    those of Stable Diffusion 3 and Flux, run one more.
    """
    if strategy == REGENERATE:
        return {}
    if strategy != REFINE:
        raise ValueError(f"strategy is {quoted(strategy)}; choose '{REFINE}' or '{REGENERATE}'")
    if scale is not None:
        check_scale(scale, sigma)
        return {"num_inference_steps": steps, "strength": 1.0}
    if not 0 < sigma < 1:
        raise ValueError(
            f"sigma is {sigma:g}; choose a value between 0 and 1, or strategy='{REGENERATE}' to redraw from pure noise"
        )
    total = int(steps / sigma + 1)
    if total > TRAIN_STEPS:
        raise ValueError(
            f"{steps} teacher steps at sigma {sigma:g} need a schedule of {total} steps, but diffusers' "
            f"end at {TRAIN_STEPS}; choose fewer steps or a larger sigma"
        )
    return {"num_inference_steps": total, "strength": sigma}


def prompts_of(prompt: str | Sequence[str]) -> list[str]:
    several = isinstance(prompt, Iterable) and not isinstance(prompt, (str, bytes))
    prompts: list[Any] = list(prompt) if several else [prompt]
    if not prompts:
        raise ValueError("there is no prompt; give at least one")
    for number, text in enumerate(prompts):
        check_plain(f"prompt {number}", text)
        if not text.strip():
            raise ValueError(f"prompt {number} is empty; say what its image should show")
    return prompts


def check_plain(name: str, text: Any) -> None:
    """ValueError where what is called `name` is no text, or holds what is no character."""
    if not isinstance(text, str):
        raise ValueError(f"{name} is {quoted(text)}; give a text")
    check_text(text)


def check_pipeline(role: str, given: Any) -> None:
    """ValueError where a model is given that cannot draw, such as its name alone."""
    if not callable(given):
        raise ValueError(f"the {role} is {quoted(given)}; give a pipeline, as diffusers' from_pretrained loads one")


def path_of(name: str, given: Any) -> Path:
    """The path called `name`; ValueError where it is none."""
    if not isinstance(given, (str, os.PathLike)) or "\0" in os.fspath(given):
        raise ValueError(f"{name} is {quoted(given)}; give the path of a file")
    return Path(given)


def seeds_of(seed: Any, count: int) -> tuple[int, ...]:
    """One seed for each of `count` prompts; a single one is the first's, and the others count up."""
    one = plain(seed)
    if not hasattr(one, "__iter__"):
        one = range(SEED.of("seed", one), SEED.of("seed", one) + count)
    seeds = list(one)
    if len(seeds) != count:
        raise ValueError(f"{len(seeds)} seeds came for {count} prompts; give one seed, or one for each prompt")
    return tuple(SEED.of("seed", each) for each in seeds)
