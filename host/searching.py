"""What Best of N and Until Enough do: draw every batch, draw again what fails, and tell what that took."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import nodes as core

from ..adaptive_diffusion.gate.best_of_n import (
    Found,
    best_of,
    expected_candidates,
    expected_until_enough,
    until_enough,
)
from ..adaptive_diffusion.gate.percentiles import THIS_RUN, PercentileTable
from ..adaptive_diffusion.gate.relative import across_prompts
from ..adaptive_diffusion.gate.student import Student
from ..adaptive_diffusion.quoting import quoted
from .files.tables import table_path
from .gate import warnings_of
from .hosted import Hosted
from .rows.latents import Latent, check_latent, take
from .rows.lists import per_batch
from .sampling.search import Candidate, Kept, Searcher
from .sampling.student import other_steps, plan_student
from .scoring import spread_prompts
from .shown import advice


class Rule(NamedTuple):
    """When an image is drawn again: while it lies under the k-th percentile (0..100) of a table.

    The table is of single drawings. limit: how often an image is drawn at most; or, where so many images of each batch
    are `wanted`, how many drawings the batch takes.
    """

    table: PercentileTable
    k: float
    limit: int
    wanted: int | None = None

    @property
    def expected(self) -> float:
        """How often an image is drawn on average."""
        if self.wanted is None:
            return expected_candidates(self.limit, self.k)
        return expected_until_enough(self.wanted, self.limit, self.k) / self.wanted

    def search(self, counts: Sequence[int], threshold: float, searcher: Searcher) -> list[Found[Candidate]]:
        """What is kept of the images of batches of `counts`."""
        if self.wanted is None:
            return best_of(self.limit, sum(counts), threshold, searcher)
        return until_enough(self.limit, counts, threshold, searcher)


class Search(NamedTuple):
    """What was kept of every batch, and who drew it. shown: what a client reads; text: what stands on the node."""

    kept: list[Kept]
    students: list[Student]
    shown: dict[str, Any]
    text: str


def calibrated(table: str) -> Path:
    """The file of a table; ValueError for this run's, which has no scores yet."""
    if table == THIS_RUN:
        raise ValueError(f"'{THIS_RUN}' has no scores before anything is drawn; choose a calibrated table")
    return table_path(table)


def of_size(latent: Latent, count: int) -> Latent:
    """The latent with so many rows: its own one after the other, again and again, each to be drawn with other noise."""
    rows = len(check_latent(latent))
    return take(core.RepeatLatentBatch().repeat(latent, -(-count // rows))[0], range(count))


def search(
    rule: Rule,
    vae: Any,
    judge: Hosted,
    prompts: Sequence[str],
    max_batch: int,
    drawing: Mapping[str, Sequence[Any]],
) -> Search:
    """The best candidates of all batches. drawing: what `plan_student` takes, each one for all batches or one for each.

    ValueError where the table is of another estimator or a learned gate, or counts do not match.
    """
    if not isinstance(rule.table, PercentileTable):
        raise ValueError(
            f"{quoted(rule.table.name)} is a learned gate, which says of no score that it is good enough; "
            "link a percentile table"
        )
    rule.table.check_estimator(judge.described)
    threshold = rule.table.threshold(rule.k)
    planned = [plan_student(**inputs) for inputs in per_batch(drawing)]
    texts = spread_prompts(prompts, [len(each.rows) for each, _ in planned])
    searcher = Searcher([each for each, _ in planned], texts, vae, judge, max_batch)
    kept = searcher.kept(rule.search([len(each.rows) for each, _ in planned], threshold, searcher))
    pairs = zip(planned, kept, strict=True)
    students = [_searched(student, each, rule) for (_, student), each in pairs]
    shown = _shown(kept, threshold, rule.expected)
    notes = dict.fromkeys(text for pair in planned for text in other_steps(*pair))
    cut = judge.estimator.cut([text for batch in texts for text in batch])
    advised = advice(across_prompts([each.scores for each in kept], False))
    lines = [_summary(shown, students), *warnings_of(rule.table, students), *notes, *advised, *cut]
    return Search(kept, students, shown, "\n".join(lines))


def _searched(student: Student, kept: Kept, rule: Rule) -> Student:
    """The student as what it drew was searched."""
    again = rule.limit > (rule.wanted or 1)
    searched: dict[str, Any] = {"best_of": None if rule.wanted else rule.limit, "best_of_k": rule.k} if again else {}
    return replace(student, candidates=kept.candidates, spent=kept.spent, **searched)


def _shown(kept: Sequence[Kept], threshold: float, expected: float) -> dict[str, Any]:
    """What a client reads: for every batch, how often each image was drawn, and the score kept."""
    values = [list(each.scores.values) for each in kept]
    return {
        "expected": expected,
        "threshold": threshold if math.isfinite(threshold) else None,
        "candidates": [list(each.candidates) for each in kept],
        "scores": values,
        "failing": sum(value < threshold for batch in values for value in batch),
    }


def _summary(shown: dict[str, Any], students: Sequence[Student]) -> str:
    """How many candidates it took, how many were to be expected, and what they cost."""
    drawn = [number for batch in shown["candidates"] for number in batch]
    cost = sum(spent.evaluations for student in students for spent in student.spent)
    return (
        f"{sum(drawn)} candidates for {len(drawn)} images: {sum(drawn) / len(drawn):.2f} an image, "
        f"{shown['expected']:.2f} expected; {cost / len(drawn):.1f} model evaluations an image; "
        f"{shown['failing']} still under the threshold"
    )
