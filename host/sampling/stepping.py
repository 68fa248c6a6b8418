"""Does a sampler step each image of a batch by itself? Found out by sampling without a network."""

from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.weak import WeakIdKeyDictionary

from .call import Silent, attempted, sample
from .independence import Evaluation
from .samplers import per_row

SEEDS, STEPS = (11, 12), 3
TOLERANCE = 1e-4
_linked: WeakIdKeyDictionary = WeakIdKeyDictionary()
_named: dict[Any, bool] = {}


@dataclass(frozen=True)
class Stepping:
    """A sampler and what it steps. key: its name and schedule, None for a linked one. masked: with a noise mask."""

    sampler: Any
    key: Any
    evaluation: Evaluation
    masked: bool


def steps_rows_apart(stepping: Stepping) -> bool:
    """Whether images can share a batch, each with step noise of its own seed; False where one would change another."""
    found = _named if stepping.key else _linked.setdefault(stepping.sampler, {})
    key = (stepping.key, stepping.masked)
    if key not in found:
        found[key] = _looked_at(stepping)
    return found[key]


def _looked_at(stepping: Stepping) -> bool:
    """Whether two rows of noise end where each of them ends alone."""
    both = attempted(lambda: _stepped(stepping, (0, 1)))
    alone = attempted(lambda: torch.cat([_stepped(stepping, (row,)) for row in (0, 1)]))
    if both is None or alone is None:  # a sampler that needs a network to step is not known to step rows apart
        return False
    return bool((both - alone).abs().max() <= TOLERANCE * alone.std())


def _stepped(stepping: Stepping, rows: tuple[int, ...]) -> torch.Tensor:
    evaluation, seeds = stepping.evaluation, [SEEDS[row] for row in rows]
    shape = evaluation.shape
    noise = torch.randn((2, *shape), generator=torch.Generator().manual_seed(0))[list(rows)]
    latent = {"samples": torch.ones_like(noise)}
    if stepping.masked:
        latent["noise_mask"] = torch.eye(2).repeat(shape[-2], shape[-1])[: shape[-2], : shape[-1]][None, None]
    sigmas = torch.cat([evaluation.sigmas[:-1][:STEPS], evaluation.sigmas[-1:]])
    torch.manual_seed(seeds[0])
    return sample(
        _without_network(evaluation.model),
        evaluation.positive,
        evaluation.negative,
        evaluation.cfg,
        noise,
        latent,
        per_row(stepping.sampler, noise.to(evaluation.model.load_device), sigmas, seeds),
        sigmas,
        seeds[0],
        Silent().callback(0),
    ).samples.cpu()


def _without_network(model: Any) -> Any:
    """The model with an answer to every evaluation that treats all rows alike, in place of its network's."""
    bare = model.clone()
    bare.wrappers = {}
    bare.model_options = {"transformer_options": {}, "sampler_calc_cond_batch_function": _answer}
    return bare


def _answer(asked: dict[str, Any]) -> list[torch.Tensor]:
    """Mixes neighbouring pixels, so that what a mask keeps is seen by what it does not."""
    mixed = 0.3 * asked["input"] + 0.3 * asked["input"].roll(1, -1)
    return [mixed * (1 - 0.2 * number) for number, _ in enumerate(asked["conds"])]
