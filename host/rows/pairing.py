"""Pairing the list inputs of a node with the batches ("groups") a gate has decided on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...adaptive_diffusion.gate.decision import GateDecision


def per_batch(inputs: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """For each batch its own value of every input, of which each has one for all batches or one for each."""
    count = max(map(len, inputs.values()))
    for name, values in inputs.items():
        if len(values) not in (1, count):
            raise ValueError(
                f"{len(values)} values of {name} do not fit {count} batches; link one for all or one for each batch"
            )
    return [{name: values[i if len(values) > 1 else 0] for name, values in inputs.items()} for i in range(count)]


def per_decision(values: Sequence[Any], decisions: Sequence[GateDecision], name: str) -> list[Any]:
    """One of `values` for each decision: a single one serves all; otherwise one per decision, per batch of the list the
    decisions came from, or per decision that rejected anything (None then stands for the others).
    """
    if len(values) == 1:
        return list(values) * len(decisions)
    if len(values) == len(decisions):
        return list(values)
    if decisions and len(values) == decisions[0].scores.groups:
        return [values[decision.scores.group] for decision in decisions]
    if len(values) == sum(decision.any_rejected for decision in decisions):
        remaining = iter(values)
        return [next(remaining) if decision.any_rejected else None for decision in decisions]
    raise ValueError(
        f"{len(values)} values of {name} do not fit {len(decisions)} batches; link one for all or one for each batch"
    )


def per_image(values: Sequence[Any], decisions: Sequence[GateDecision], name: str) -> list[tuple[Any, ...]]:
    """For each decision a tuple with one of `values` for each scored image: they come one for each image, or as
    `per_decision` takes them.
    """
    if len(values) == sum(map(len, decisions)):
        remaining = iter(values)
        return [tuple(next(remaining) for _ in range(len(decision))) for decision in decisions]
    spread = zip(per_decision(values, decisions, name), decisions, strict=True)
    return [(value,) * len(decision) for value, decision in spread]


def per_rejecting(values: Sequence[Any], decisions: Sequence[GateDecision], name: str) -> list[Any]:
    """One of `values` for each decision that rejected anything, None for the others; counts must match."""
    rejecting = sum(decision.any_rejected for decision in decisions)
    if values[0] is None:
        return [None] * len(decisions)
    if len(values) != rejecting:
        raise ValueError(
            f"{len(values)} batches of {name} came for {rejecting} batches with rejected images; "
            "link what the teacher made of exactly the rejected ones"
        )
    remaining = iter(values)
    return [next(remaining) if decision.any_rejected else None for decision in decisions]


def split_like(decisions: Sequence[GateDecision], sizes: Sequence[int]) -> list[GateDecision]:
    """The decisions, cut to batches of `sizes` where one decision of outside scores covers several batches in order."""
    if len(decisions) != 1 or len(sizes) < 2 or sum(sizes) != len(decisions[0]):
        return list(decisions)
    return [_part(decisions[0], group, sizes) for group in range(len(sizes))]


def _part(decision: GateDecision, group: int, sizes: Sequence[int]) -> GateDecision:
    start = sum(sizes[:group])
    positions = range(start, start + sizes[group])
    scores = replace(
        decision.scores.pick(positions),
        group=group,
        groups=len(sizes),
        rows=tuple(range(sizes[group])),
        batch=sizes[group],
    )
    rejected = tuple(i - start for i in decision.rejected if i in positions)
    return replace(decision, scores=scores, rejected=rejected)
