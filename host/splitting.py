"""What Adaptive Split takes apart: batches, and what their rejected images were drawn from."""

from collections.abc import Sequence
from typing import Any

from comfy_execution.graph_utils import ExecutionBlocker

from ..adaptive_diffusion.gate.checked import answered
from ..adaptive_diffusion.gate.decision import GateDecision
from ..adaptive_diffusion.gate.verdicts import Verdicts
from .rows.batches import Batch, batch_size, check_finite, part
from .rows.conditioning import Conditioning, RowSlicer
from .rows.latents import check_latent

Outputs = list[Any]


def split(decisions: Sequence[GateDecision], batches: Sequence[Batch | Conditioning], top: int) -> tuple[Outputs, ...]:
    """The accepted parts of the batches, the rejected ones, the prompt, the seed and the reasons of each of these, and
    of every batch the `top` images that score highest, of equal ones the earlier first.

    Where there are none, or they are not known, a blocker stands in their place: nothing behind it runs.
    ValueError where a batch holds another number of images than were scored.
    """
    verdicts = Verdicts(tuple(decisions))
    if not any(isinstance(batch, list) for batch in batches):
        verdicts = verdicts.of_whole_batches(list(map(batch_size, batches)), "batch")
    pairs = list(zip(verdicts, verdicts.per_batch(batches, "batch"), strict=True))
    accepted = [_part(judged, batch, judged.accepted) for judged, batch in pairs if judged.accepted]
    rejected = [_part(judged, batch, judged.rejected) for judged, batch in pairs if judged.rejected]
    rejecting = [decision for decision in verdicts if decision.any_rejected]
    told = (_prompts(rejecting), _seeds(rejecting), _reasons(rejecting))
    best = [_part(judged, batch, _best(judged)[:top]) for judged, batch in pairs]
    return accepted or _blocked(), rejected or _blocked(), *told, best


def _best(decision: GateDecision) -> list[int]:
    return sorted(range(len(decision)), key=lambda i: -decision.scores.values[i])


def _part(decision: GateDecision, batch: Batch | Conditioning, positions: Sequence[int]) -> Batch | Conditioning:
    if isinstance(batch, list):
        return RowSlicer([decision.scores.rows.at(positions)])([batch])
    if isinstance(batch, dict):
        check_latent(batch)
    else:
        check_finite(batch, "batch")
    return part(batch, positions)


def _prompts(rejecting: Sequence[GateDecision]) -> Outputs:
    found = [{decision.scores.prompts[i] for i in decision.rejected} for decision in rejecting]
    if most := max((len(prompts) for prompts in found if len(prompts) > 1), default=0):
        return _blocked(
            f"a batch has rejected images of {most} prompts, but prompts gives one for each batch; "
            "split batches of one prompt each"
        )
    if {""} in found:
        return _blocked("the prompts are not known; link them to Quality Score, and its scores to Threshold Gate")
    return [prompts.pop() for prompts in found] or _blocked()


def _seeds(rejecting: Sequence[GateDecision]) -> Outputs:
    found = [decision.student and decision.student.seed for decision in rejecting]
    if None in found:
        return _blocked("the seeds are not known; link Student Sample's student to Threshold Gate")
    return [*found] or _blocked()


def _reasons(rejecting: Sequence[GateDecision]) -> Outputs:
    """The names of all checks that a rejected image of the batch failed; "" where none was asked, or failed."""
    failed = [
        [name for each in answered(decision.seen_again) if each for name in each.reasons] for decision in rejecting
    ]
    return [", ".join(dict.fromkeys(names)) for names in failed] or _blocked()


def _blocked(why: str | None = None) -> Outputs:
    """In the place of a list: stops what comes behind, and tells it why."""
    return [ExecutionBlocker(why and f"Adaptive Split: {why}")]
