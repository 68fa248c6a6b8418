"""One sampling call: KSampler's, but with the noise and sigmas given."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import comfy.model_management
import comfy.model_patcher
import comfy.samplers
import comfy.utils
import latent_preview
import torch

from ...adaptive_diffusion.gate.cost import Spent
from ..faults import explained
from ..rows.conditioning import Conditioning
from .counting import Evaluations

OWN = "link conditioning of the model's own text encoder, and a sampler, sigmas and a seed that go with it"
T = TypeVar("T")


class Sampled(NamedTuple):
    """Samples (B, C, ...) and what each of them took."""

    samples: torch.Tensor
    spent: Spent


def sample(
    model: Any,
    positive: Conditioning,
    negative: Conditioning | None,
    cfg: float,
    noise: torch.Tensor,
    latent: dict[str, Any],
    sampler: Any,
    sigmas: torch.Tensor,
    seed: int,
    callback: Callable,
) -> Sampled:
    """Draw from `latent` and unit `noise` of its shape (B, C, ...) along `sigmas`; cfg must be 1 without a negative."""
    if negative is None and cfg != 1.0:
        raise ValueError(f"cfg is {cfg:g} but no negative conditioning is linked; link one or set cfg to 1")
    counted = Evaluations()
    guider = comfy.samplers.CFGGuider(model)
    guider.inner_set_conds({"positive": positive} if negative is None else {"positive": positive, "negative": negative})
    if negative is None:
        guider.model_options = comfy.model_patcher.set_model_options_pre_cfg_function(
            comfy.model_patcher.create_model_options_clone(model.model_options), _prompt_for_negative
        )
    guider.set_cfg(cfg)
    with explained("sampling", OWN):
        samples = guider.sample(
            noise,
            latent["samples"],
            counted.of(sampler),
            sigmas.clone(),
            denoise_mask=latent.get("noise_mask"),
            callback=callback,
            disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
            seed=seed,
        )
    drawn = samples.to(comfy.model_management.intermediate_device(), comfy.model_management.intermediate_dtype())
    return Sampled(drawn, Spent(len(sigmas) - 1, counted.rows / len(noise)))


def _prompt_for_negative(asked: dict[str, Any]) -> list[torch.Tensor]:
    """What the prompt makes, in the place of a negative that is missing, for samplers that step by the negative's.

    Those of CFG++ (arXiv 2406.08070) do so at cfg 1, too. ComfyUI would give them zeros, which no step
    takes the noise from.
    """
    positive, *others = asked["conds_out"]
    missing = asked["model_options"].get("disable_cfg1_optimization") and asked["conds"][1:] == [None]
    return [positive, positive] if missing else [positive, *others]


def attempted(draw: Callable[[], T]) -> T | None:
    """What it draws; None where it fails in its own words, which an interruption and memory that ran out are not."""
    try:
        return draw()
    except (comfy.model_management.InterruptProcessingException, comfy.model_management.OOM_EXCEPTION):
        raise
    except Exception:
        return None


class Progress:
    """One progress bar with previews over several sampling calls."""

    def __init__(self, model: Any, steps: int):
        self.total = steps
        self.done = 0
        self._show = latent_preview.prepare_callback(model, steps)

    def callback(self, steps: int) -> Callable:
        """The callback for the next sampling call, which will take `steps` steps."""
        start, self.done = self.done, self.done + steps

        def show(step: int, x0: torch.Tensor, x: torch.Tensor, _steps: int) -> None:
            self._show(start + step, x0, x, self.total)

        return show


class Silent:
    """No progress bar and no previews, for work that shows its own."""

    def callback(self, steps: int) -> Callable:
        return lambda step, x0, x, total: None
