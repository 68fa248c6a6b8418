"""Drawing images of many batches in as few sampling calls as their shapes allow, without one changing another."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, NamedTuple

import torch

from ...adaptive_diffusion.gate.cost import Spent
from ...adaptive_diffusion.gate.rows import Rows
from ..rows.conditioning import Conditioning, RowSlicer, signature
from ..rows.latents import Latent, mask_rows, row_numbers, take, with_samples
from .call import Progress, Sampled, Silent, attempted, sample
from .independence import Evaluation, evaluates_rows_apart, model_for_rows, whole_evaluates_apart
from .participants import of_all
from .samplers import per_row
from .stepping import Stepping, steps_rows_apart


@dataclass
class Drawing:
    """What is to be drawn of one batch.

    latent, noise: clean latent and unit noise (R, C, ...) of its R images; rows: theirs in the full batch.
    positive, negative: the whole batch's conditioning, not yet sliced. sampler_key: equal for equal samplers.
    """

    model: Any
    positive: Conditioning
    negative: Conditioning | None
    cfg: float
    latent: Latent
    noise: torch.Tensor
    rows: Rows
    seed: int
    sampler: Any
    sampler_key: Any
    sigmas: torch.Tensor

    def key(self) -> tuple:
        """Drawings of equal key can share a batch without changing any image."""
        return (
            id(self.model),
            self.cfg,
            self.sampler_key,
            tuple(self.sigmas.tolist()),
            self.noise.shape[1:],
            mask_rows(self.latent).shape[1:] if "noise_mask" in self.latent else None,
            signature(self.positive),
            None if self.negative is None else signature(self.negative),
        )

    def at(self, positions: Sequence[int]) -> "Drawing":
        """The part of the drawing for the images at `positions`."""
        latent, noise = take(self.latent, positions), self.noise[list(positions)]
        return replace(self, latent=latent, noise=noise, rows=self.rows.at(positions))

    @property
    def step_seeds(self) -> list[int]:
        """A seed for each image's step noise, whatever part of the batch it is drawn with."""
        return row_numbers(self.latent, self.rows).seeds(self.seed, "steps")


class Drawn(NamedTuple):
    """The latent of a drawing's images, and what each of them took."""

    latent: Latent
    spent: tuple[Spent, ...]


def draw_all(drawings: Sequence[Drawing], max_batch: int, progress: Progress | Silent | None = None) -> list[Drawn]:
    """Each drawing with its images drawn; those of equal `Drawing.key` are sampled together, up to `max_batch`.

    Where something that takes part could mix up the images of a batch, they are drawn one by one.
    progress: what is told of every step; a bar with previews where none is given.
    ValueError where what takes part holds something for each image and cannot be cut to some of them.
    """
    if not drawings:
        return []
    calls = [call for numbers in _pools(drawings) for call in _calls(drawings, numbers, max_batch)]
    total = sum(len(drawings[call.rows[0][0]].sigmas) - 1 for call in calls)
    progress = progress or Progress(drawings[0].model, total)
    done: dict[tuple[int, int], tuple[torch.Tensor, Spent]] = {}
    for call in calls:
        done |= zip(call.rows, _sampled(_parts(drawings, call.rows), call.alone, progress), strict=True)
    rows = [[done[number, i] for i in range(len(drawing.rows))] for number, drawing in enumerate(drawings)]
    return list(map(_drawn, drawings, rows))


class _Call(NamedTuple):
    """What is sampled together: numbers of drawings, each with the place of an image in it."""

    rows: list[tuple[int, int]]
    alone: bool


def _pools(drawings: Sequence[Drawing]) -> Iterable[list[int]]:
    """The numbers of the drawings that can share a batch."""
    pools: dict[tuple, list[int]] = {}
    for number, drawing in enumerate(drawings):
        pools.setdefault(drawing.key(), []).append(number)
    return pools.values()


def _calls(drawings: Sequence[Drawing], numbers: Sequence[int], max_batch: int) -> Iterator[_Call]:
    rows = [(number, i) for number in numbers for i in range(len(drawings[number].rows))]
    whole = len(numbers) == 1 and drawings[numbers[0]].rows.are_all and len(rows) <= max_batch
    alone = not all(_may_share(drawings[number], whole) for number in numbers)
    size = 1 if alone else max_batch
    yield from (_Call(rows[start : start + size], alone) for start in range(0, len(rows), size))


def _may_share(drawing: Drawing, whole: bool) -> bool:
    """Whether an image of the drawing comes out the same whichever others share its batch.

    whole: whether its batch is the whole of which its conditioning and patches were made; nothing is cut then.
    """
    evaluation = Evaluation(
        drawing.model,
        drawing.positive,
        drawing.negative,
        drawing.cfg,
        tuple(drawing.noise.shape[1:]),
        drawing.sigmas,
        drawing.rows.batch,
    )
    key = drawing.sampler_key if isinstance(drawing.sampler_key, tuple) else None
    stepping = Stepping(drawing.sampler, key, evaluation, "noise_mask" in drawing.latent)
    evaluated = whole_evaluates_apart if whole else evaluates_rows_apart
    return evaluated(evaluation) and steps_rows_apart(stepping)


def _parts(drawings: Sequence[Drawing], rows: Sequence[tuple[int, int]]) -> list[Drawing]:
    grouped = groupby(rows, key=lambda row: row[0])
    return [drawings[number].at([i for _, i in places]) for number, places in grouped]


def _sampled(parts: Sequence[Drawing], alone: bool, progress: Progress | Silent) -> list[tuple[torch.Tensor, Spent]]:
    """Each image of the parts with what it took; one by one where something that takes part cannot take several."""
    if alone or not of_all(parts[0].model, [parts[0].positive, parts[0].negative or []]):
        return _each(_sample(parts, alone, progress))
    together = attempted(lambda: _sample(parts, alone, progress))
    if together is not None:
        return _each(together)
    rows = [part.at([i]) for part in parts for i in range(len(part.rows))]
    return [drawn for row in rows for drawn in _each(_sample([row], True, progress))]


def _each(drawn: Sampled) -> list[tuple[torch.Tensor, Spent]]:
    return [(row, drawn.spent) for row in drawn.samples]


def _sample(parts: Sequence[Drawing], alone: bool, progress: Progress | Silent) -> Sampled:
    first, rows = parts[0], [part.rows for part in parts]
    seeds = [seed for part in parts for seed in part.step_seeds]
    noise = torch.cat([part.noise for part in parts])
    slicer = RowSlicer(rows)
    if alone:
        torch.manual_seed(seeds[0])
    return sample(
        model_for_rows(first.model, rows, [first.positive, first.negative or []]),
        slicer([part.positive for part in parts]),
        None if first.negative is None else slicer([part.negative or [] for part in parts]),
        first.cfg,
        noise,
        _joined([part.latent for part in parts]),
        per_row(first.sampler, noise.to(first.model.load_device), first.sigmas, seeds),
        first.sigmas,
        seeds[0] if alone else first.seed,
        progress.callback(len(first.sigmas) - 1),
    )


def _joined(latents: Sequence[Latent]) -> Latent:
    joined: Latent = {"samples": torch.cat([latent["samples"] for latent in latents])}
    if "noise_mask" in latents[0]:
        masks = [Rows.whole(len(latent["samples"])).pick(mask_rows(latent)) for latent in latents]
        joined["noise_mask"] = torch.cat(masks)
    return joined


def _drawn(drawing: Drawing, rows: Sequence[tuple[torch.Tensor, Spent]]) -> Drawn:
    samples = torch.stack([row for row, _ in rows])
    return Drawn(with_samples(drawing.latent, samples), tuple(spent for _, spent in rows))
