"""Is an image the same whichever others share its batch? Found out by evaluating, wherever it is not known.

What evaluates (the model and all that takes part with it) and the sampler are looked at one by one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import comfy.samplers
import torch
from torch.utils.weak import WeakIdKeyDictionary

from ...adaptive_diffusion.gate.rows import Rows
from ..rows.conditioning import Conditioning, RowSlicer
from .call import Silent, attempted, sample
from .participants import Participant, conditioning_without, model_without, of_all, of_conditioning, of_model

ROWS = "ad_params"
HALF_TOLERANCE, TOLERANCE = 2e-2, 1e-4

_found: WeakIdKeyDictionary = WeakIdKeyDictionary()


class HeldRows(ValueError):
    """Something holds a part for each image of a batch and cannot be cut to some of them."""


@dataclass(frozen=True)
class Evaluation:
    """What denoises a batch: the model and its conditioning, for noise of `shape` (C, ...) along `sigmas`."""

    model: Any
    positive: Conditioning
    negative: Conditioning | None
    cfg: float
    shape: tuple[int, ...]
    sigmas: torch.Tensor
    batch: int

    @property
    def conditionings(self) -> list[Conditioning]:
        return [self.positive, self.negative or []]

    @property
    def key(self) -> tuple[Any, ...]:
        """All that a patch may go by but the prompts themselves: some act at some sigmas or with guidance only."""
        return self.batch, self.shape, self.cfg, self.negative is None, tuple(self.sigmas.tolist())


def model_for_rows(model: Any, rows: Sequence[Rows], conditionings: Sequence[Conditioning]) -> Any:
    """`model` for sampling only these rows of some batches.

    Patches and controls that were made to work with AnimateDiff's context windows take their rows from
    transformer_options["ad_params"].
    """
    if len(rows) == 1 and rows[0].are_all or not of_all(model, conditionings):
        return model
    own, numbers = model.clone(), [number for part in rows for number in part]
    told = {"sub_idxs": numbers, "full_length": max(part.batch for part in rows), "context_length": len(numbers)}
    own.model_options["transformer_options"][ROWS] = told
    return own


def evaluates_rows_apart(evaluation: Evaluation) -> bool:
    """Whether images can share a batch; False where they must be drawn one by one.

    ValueError naming what holds something for each image and cannot be cut to some of them.
    """
    if any(map(of_conditioning, evaluation.conditionings)):
        return _looked_at(evaluation)
    if not of_model(evaluation.model):
        return True
    found = _found.setdefault(evaluation.model, {})
    if evaluation.key not in found:
        found[evaluation.key] = _looked_at(evaluation)
    return found[evaluation.key]


def whole_evaluates_apart(evaluation: Evaluation) -> bool:
    """The same for a whole batch, of which nothing must be cut: it need not be apart where it cannot be in parts."""
    if not any(part.remembers for part in of_model(evaluation.model)):
        return True
    try:
        return evaluates_rows_apart(evaluation)
    except HeldRows:
        return True


def _looked_at(evaluation: Evaluation) -> bool:
    parts = of_all(evaluation.model, evaluation.conditionings)
    whole = attempted(lambda: _denoised(evaluation, Rows.whole(evaluation.batch)))
    if whole is None:  # what cannot take a batch at all takes one image after the other
        return False
    together = not any(part.remembers for part in parts) and _agree(evaluation, whole, _together(evaluation.batch))
    if not together and not _agree(evaluation, whole, _alone(evaluation.batch)):
        raise HeldRows(_refusal(evaluation, parts))
    return together


def _together(batch: int) -> Iterator[Rows]:
    """Parts of a batch in which every row has another place than in the whole, or another neighbour."""
    yield Rows(tuple(range(1, batch)) if batch > 2 else (batch - 1, 0), batch)
    yield Rows((0,), batch)


def _noise(shape: tuple[int, ...], rows: Rows) -> torch.Tensor:
    """Noise that belongs to the rows; a row that comes twice, as a neighbour of itself, has other noise then."""
    noise = torch.randn((rows.batch + 1, *shape), generator=torch.Generator().manual_seed(0))
    return noise[[row if row not in rows.numbers[:i] else rows.batch for i, row in enumerate(rows)]]


def _alone(batch: int) -> Iterator[Rows]:
    return (Rows((row,), batch) for row in range(batch))


def _agree(evaluation: Evaluation, whole: torch.Tensor, parts: Iterator[Rows]) -> bool:
    """Whether each part's first rows come out as those of the whole (sigmas, batch, ...)."""
    half = evaluation.model.model_dtype() in (torch.float16, torch.bfloat16)
    limit = (HALF_TOLERANCE if half else TOLERANCE) * whole.std()
    return all(_differ(evaluation, whole, rows) <= limit for rows in parts)


def _differ(evaluation: Evaluation, whole: torch.Tensor, rows: Rows) -> float:
    part = attempted(lambda: _denoised(evaluation, rows))
    if part is None:  # a patch that cannot take some of its rows
        return torch.inf
    different = list(dict.fromkeys(rows))
    return (part[:, : len(different)] - whole[:, different]).abs().max().item()


class _Look(comfy.samplers.KSAMPLER):
    """Denoises the start noise at every sigma but the last, without stepping."""

    def __init__(self) -> None:
        super().__init__(self._look)
        self.seen: list[torch.Tensor] = []

    def _look(self, model: Any, x: torch.Tensor, sigmas: torch.Tensor, extra_args: Any, **_: Any) -> torch.Tensor:
        for sigma in sigmas[:-1]:
            self.seen.append(model(x * (sigma / sigmas[0]), sigma.expand(len(x)), **extra_args).cpu())
        return x


def _denoised(evaluation: Evaluation, rows: Rows) -> torch.Tensor:
    """What the model makes of these rows of fixed noise, at the first sigma, one half way and the last above 0."""
    look, slicer, sigmas = _Look(), RowSlicer([rows]), evaluation.sigmas
    noise = _noise(evaluation.shape, rows)
    sample(
        model_for_rows(evaluation.model, [rows], evaluation.conditionings),
        slicer([evaluation.positive]),
        None if evaluation.negative is None else slicer([evaluation.negative]),
        evaluation.cfg,
        noise,
        {"samples": torch.zeros_like(noise)},
        look,
        torch.stack([*sigmas[sorted({0, (len(sigmas) - 1) // 2, len(sigmas) - 2})], sigmas[-1]]),
        0,
        Silent().callback(0),
    )
    return torch.stack(look.seen)


def _refusal(evaluation: Evaluation, parts: Sequence[Participant]) -> str:
    """The sentence that names the participant without which rows are apart, or all where none alone is to blame."""
    guilty = [part for part in parts if _agree_without(evaluation, part)][:1] or parts
    fix = "draw one image a batch" + (" or link a model without it" if any(part.of_model for part in guilty) else "")
    return (
        f"{' or '.join(dict.fromkeys(map(str, guilty)))} holds something for each of the {evaluation.batch} images "
        f"and cannot be cut to some of them; {fix}"
    )


def _agree_without(evaluation: Evaluation, part: Participant) -> bool:
    positive, negative = (conditioning_without(each, part) for each in evaluation.conditionings)
    bare = replace(
        evaluation,
        model=model_without(evaluation.model, part),
        positive=positive,
        negative=None if evaluation.negative is None else negative,
    )
    return _agree(bare, _denoised(bare, Rows.whole(bare.batch)), _alone(bare.batch))
