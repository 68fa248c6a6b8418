"""What a run did, to keep: a record of every image."""

import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from .gate.checked import Answered, answered
from .gate.cost import Spent
from .gate.decision import GateDecision

PNG_RECORD = "adaptive_diffusion"
"""The name of an image's record among the texts of its PNG file."""


def record(
    decision: GateDecision,
    seeds: Sequence[int] = (),
    final_scores: Sequence[float] = (),
    teacher_steps: int | None = None,
    first: int = 0,
    nodes: Collection[str] | None = None,
) -> list[dict[str, Any]]:
    """One JSON-ready dict per image: index, prompt, seed, score, table, threshold, verdict (a word of `outcome`), taken
    (whether the improved image is the final one), final_score, steps, evaluations of a network, risk (of which the
    threshold is then; None where a score decided). What is unknown or not finite is None. Of a judge that is asked
    questions also probability (of Yes to that on the prompt), checks (of each) and reasons.

    seeds: one per image, else the student's. final_scores: one per rejected image, in order, or one per image.
    teacher_steps: of a rejected image whose teacher did not tell what it took. first: the first image's index.
    nodes: which teachers and merges count, all without.
    """
    _check_count("seeds", seeds, [len(decision)])
    _check_count("final_scores", final_scores, [len(decision.rejected), len(decision)])
    finals = _finals(decision, final_scores, nodes)
    costs = [_cost(decision, i, teacher_steps, nodes) for i in range(len(decision))]
    answers = answered(decision.scores)
    return [
        {
            "index": first + i,
            "prompt": decision.scores.prompts[i],
            "seed": seeds[i] if seeds else decision.student and decision.student.seed,
            "score": score,
            "table": decision.table,
            "threshold": decision.threshold if math.isfinite(decision.threshold) else None,
            "verdict": decision.verdict(i, nodes),
            "taken": finals[i].taken,
            "final_score": finals[i].score,
            "steps": costs[i][0],
            "evaluations": costs[i][1],
            "risk": decision.risks[i] if decision.risks else None,
            **_answers(answers[i]),
        }
        for i, score in enumerate(decision.scores.values)
    ]


def _answers(answers: Answered | None) -> dict[str, Any]:
    """What a judge that is asked questions answered; nothing of another judge."""
    if answers is None:
        return {}
    return {"probability": answers.probability, "checks": dict(answers.checks), "reasons": list(answers.reasons)}


def _check_count(name: str, values: Sequence[Any], counts: Sequence[int]) -> None:
    if len(values) not in (0, *counts):
        raise ValueError(f"{len(values)} {name} came for {counts[0]} images; give one for each, or none")


class _Final(NamedTuple):
    """Whether an image that came out is the teacher's, and its score."""

    taken: bool | None
    score: float | None


def _finals(decision: GateDecision, scores: Sequence[float], nodes: Collection[str] | None) -> list[_Final]:
    """Scores of all images, not of the rejected only, are those of what came out, whoever drew it."""
    of_all = len(scores) == len(decision) != len(decision.rejected)
    given = dict(zip(range(len(decision)) if of_all else decision.rejected, scores, strict=False))
    finals = []
    for i, own in enumerate(decision.scores.values):
        taken = decision.was_taken(i, nodes)
        of_given = i in given and (of_all or taken is not False)
        finals.append(_Final(taken, given[i] if of_given else own if taken is False else None))
    return finals


def _cost(
    decision: GateDecision, image: int, teacher_steps: int | None, nodes: Collection[str] | None
) -> tuple[int | None, float | None]:
    """Steps and evaluations of an image, those behind earlier gates among them."""
    outcome, rejected = decision.outcomes[image], image in decision.rejected
    told = Spent(teacher_steps, math.nan) if teacher_steps and rejected else None if rejected else Spent(0, 0)
    student = decision.student.took(decision.scores.rows.numbers[image]) if decision.student else None
    teacher = outcome.paid(nodes) or told
    if student is None or teacher is None:
        return None, None
    spent = student + outcome.paid_before(nodes) + teacher
    return spent.steps, None if math.isnan(spent.evaluations) else spent.evaluations
