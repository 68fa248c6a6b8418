"""Best of N with early accept: draw an image again while it fails the gate, N times at most (arXiv 2512.08985)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Found(Generic[T]):
    """What was kept of an image's candidates: its score, what was drawn, its number, and how many there were."""

    score: float
    drawn: T
    candidate: int
    candidates: int


Draw = Callable[[int, Sequence[int]], Sequence[tuple[float, T]]]


def best_of(limit: int, count: int, threshold: float, draw: Draw[T]) -> list[Found[T]]:
    """For each of `count` images the first candidate that passes, else the best of `limit`; of equal ones the earlier.

    A score below `threshold` fails, as at the gate (`decision.decide`). draw: given the number of a candidate and the
    images that still need one, gives the score and the drawing of each of these; it is called `limit` times at most.
    ValueError for a limit below 1.
    """
    if limit < 1:
        raise ValueError(f"N is {limit}; choose at least 1")
    found = [Found(score, drawn, 0, 1) for score, drawn in draw(0, range(count))]
    for number in range(1, limit):
        failing = [i for i, best in enumerate(found) if best.score < threshold]
        if not failing:
            break
        for i, (score, drawn) in zip(failing, draw(number, failing), strict=True):
            best = found[i] if score <= found[i].score else Found(score, drawn, number, number)
            found[i] = replace(best, candidates=number + 1)
    return found


def share_of_kept(limit: int, search_k: float, k: float) -> float:
    """The percentage of kept images that lie under the k-th percentile (0..100) of single drawings.

    limit, search_k: an image is drawn again under the search_k-th percentile of the same table, `limit` times at most,
    independently; where some prompts fail more often than others, more of the kept images do.
    """
    again, under = search_k / 100, k / 100
    if under <= again:
        return 100 * under**limit
    return 100 * (again**limit + (under - again) * expected_candidates(limit, search_k))


def expected_candidates(limit: int, k: float) -> float:
    """How many candidates an image takes on average when each fails with k percent (0..100), independently."""
    return sum((k / 100) ** number for number in range(limit))
