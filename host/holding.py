"""What Hold Rejected puts aside, what Take Held gives back, and how a taken image comes to its end."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import comfy.model_management
import numpy
import torch
from PIL import Image

from ..adaptive_diffusion.gate.decision import GateDecision
from ..adaptive_diffusion.gate.verdicts import Verdicts
from ..adaptive_diffusion.holding import results
from ..adaptive_diffusion.holding.batches import HeldBatch, batches, held_images
from ..adaptive_diffusion.holding.folder import HeldFolder
from ..adaptive_diffusion.holding.image import HeldImage
from ..adaptive_diffusion.holding.origin import Origin
from ..adaptive_diffusion.images import opaque
from ..adaptive_diffusion.report import record
from .rows.batches import Batch, batch_size, check_finite, part
from .rows.latents import Latent, check_latent, mask_rows, take


class Held(NamedTuple):
    """What passes a holding node: the accepted images and their decisions, for each batch that has any; and counts."""

    images: list[torch.Tensor]
    decisions: list[GateDecision]
    rejected: int
    fresh: int


def hold(
    folder: HeldFolder,
    decisions: Sequence[GateDecision],
    images: Sequence[torch.Tensor],
    latents: Sequence[Latent],
    seeds: Sequence[int | None],
) -> Held:
    """Put the rejected images of all batches into a folder.

    images, latents: the whole batches. seeds: the students', one for all or one for each batch; where they are None,
    the decisions must know them. ValueError where batches are not those that were scored, or the folder cannot take
    them; what was put there before stays.
    """
    verdicts = Verdicts(tuple(decisions)).of_whole_batches(list(map(batch_size, images)), "images")
    rows = zip(
        verdicts,
        verdicts.per_batch(images, "images"),
        verdicts.per_batch(latents, "latent"),
        verdicts.per_batch(seeds, "seed"),
        strict=True,
    )
    batches = [(decision, batch, latent, _seed(decision, seed)) for decision, batch, latent, seed in rows]
    fresh = sum(_added(folder, *batch) for batch in batches if batch[0].any_rejected)
    passing = [(judged, batch) for judged, batch, *_ in batches if judged.accepted]
    return Held(
        [part(batch, judged.accepted) for judged, batch in passing],
        [_accepted(judged) for judged, _ in passing],
        sum(len(decision.rejected) for decision in verdicts),
        fresh,
    )


def _seed(decision: GateDecision, given: int | None) -> int:
    known = decision.student.seed if decision.student else None
    seed = known if given is None else given
    if seed is None:
        raise ValueError("the seeds are not known; link Student Sample's student to Threshold Gate, or link seed")
    return seed


def _added(folder: HeldFolder, decision: GateDecision, images: torch.Tensor, latent: Latent, seed: int) -> int:
    """How many of a batch's rejected images were not there yet."""
    check_finite(images, "images")
    samples = check_latent(latent)
    if len(samples) != len(images):
        raise ValueError(f"latent holds {len(samples)} images, but {len(images)} were scored; link the student's own")
    own = take(latent, decision.rejected)
    masks = mask_rows(own) if "noise_mask" in own else None
    rejected = held_images(
        decision,
        images[list(decision.rejected)],
        (seed,) * len(decision),
        own["samples"],
        masks,
        own.get("batch_index"),
    )
    return folder.add(Origin.of(decision), _interruptible(rejected))


def _interruptible(images: Iterator[HeldImage]) -> Iterator[HeldImage]:
    for image in images:
        comfy.model_management.throw_exception_if_processing_interrupted()
        yield image


def _accepted(decision: GateDecision) -> GateDecision:
    """The decision on the accepted images alone."""
    kept = decision.accepted
    return GateDecision(
        decision.scores.pick(kept),
        decision.threshold,
        (),
        decision.table,
        decision.k,
        decision.student,
        taken=(),
        outcomes=tuple(decision.outcomes[i] for i in kept),
        risks=tuple(decision.risks[i] for i in kept) if decision.risks else (),
    )


class Given(NamedTuple):
    """Batches that were taken, and what is to be said of them."""

    batches: list[HeldBatch]
    text: str


_given: dict[tuple[Path, str], Given] = {}


def give(folder: HeldFolder, most: int, node: str) -> Given:
    """At most so many held images, which no other taker gets before the prompt that is being executed has ended.

    node: who takes; without a cache, ComfyUI has a node take again in one prompt, which then gets the same.
    ValueError where another has taken from the folder, there is none, or all that wait are damaged.
    """
    if again := _given.get((folder.path, node)):
        return again
    with ExitStack() as locks:
        locks.enter_context(folder.taking())
        taken = folder.take(most)
        if taken.damaged and not taken.images:
            raise ValueError(taken.damaged[0])
        text = f"{len(taken.images)} images taken, {taken.left} more wait"
        found = batches(folder.origin, taken.images, folder.finish)
        given = _given[folder.path, node] = Given(found, "\n".join([text, *taken.damaged]))
        locks.callback(_given.pop, (folder.path, node))
        _let_go_at_the_end(locks.pop_all())
    return given


def _let_go_at_the_end(locks: ExitStack) -> None:
    """Close the locks when the prompt ends that is being executed, however it ends; at once outside of one."""
    try:
        prompt = asyncio.current_task()
    except RuntimeError:
        prompt = None
    if prompt is None:
        locks.close()
    else:
        prompt.add_done_callback(lambda _: locks.close())


def latent_of(batch: HeldBatch) -> Latent | None:
    """A batch's LATENT; None where it was held without."""
    if batch.latent is None:
        return None
    latent: Latent = {"samples": batch.latent}
    if batch.noise_mask is not None:
        latent["noise_mask"] = batch.noise_mask
    return latent if batch.batch_index is None else {**latent, "batch_index": batch.batch_index}


def put_away(decision: GateDecision, batch: Batch, places: Sequence[int]) -> None:
    """Keep what became of those images of a batch that were held, in their folders.

    places: the images' places in the decision.
    """
    entries = record(decision)
    for place, position in enumerate(places):
        if keep := decision.outcomes[position].keep:
            keep(_result(batch, place, entries[position], decision.became(position)))


def _result(batch: Batch, place: int, entry: dict[str, Any], word: str) -> results.Result:
    if isinstance(batch, torch.Tensor):
        return results.picture(_pixels(batch[place]), entry, word)
    return results.latent(batch["samples"][place].float().cpu().contiguous().numpy(), entry, word)


def _pixels(image: torch.Tensor) -> Image.Image:
    """An image (H, W, C) in 8 bits, as ComfyUI's Save Image has them."""
    colours = image if image.shape[-1] == 4 else opaque(image)
    return Image.fromarray(numpy.clip(255.0 * colours.float().cpu().numpy(), 0, 255).astype(numpy.uint8))
