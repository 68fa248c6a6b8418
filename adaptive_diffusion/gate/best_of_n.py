"""Drawing an image again while it fails the gate: N times at most (Best of N with early accept, arXiv 2512.08985), or
until all images of a batch pass.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Generic, TypeVar

from scipy.stats import binom

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
        _draw_again(found, number, failing, draw)
    return found


def until_enough(limit: int, counts: Sequence[int], threshold: float, draw: Draw[T]) -> list[Found[T]]:
    """As `best_of`, for the images of batches of `counts` one after the other, each of which is drawn again until it
    passes, or its batch has had `limit` candidates; ValueError where that is less than its images.
    """
    if limit < max(counts):
        raise ValueError(
            f"{limit} images may be drawn, but {max(counts)} are wanted; let at least as many be drawn as are wanted"
        )
    found = [Found(score, drawn, 0, 1) for score, drawn in draw(0, range(sum(counts)))]
    number = 1
    while failing := _affordable(found, limit, counts, threshold):
        _draw_again(found, number, failing, draw)
        number += 1
    return found


def _affordable(found: Sequence[Found[T]], limit: int, counts: Sequence[int], threshold: float) -> list[int]:
    """The failing images, of each batch the first ones, as far as its limit allows."""
    wanted: list[int] = []
    for start, end in pairwise(accumulate(counts, initial=0)):
        left = limit - sum(best.candidates for best in found[start:end])
        wanted += [i for i in range(start, end) if found[i].score < threshold][:left]
    return wanted


def _draw_again(found: list[Found[T]], number: int, failing: Sequence[int], draw: Draw[T]) -> None:
    """Candidate `number` of the images `failing`, in the place of those found where it is better."""
    for i, (score, drawn) in zip(failing, draw(number, failing), strict=True):
        best = found[i] if score <= found[i].score else Found(score, drawn, number, number)
        found[i] = replace(best, candidates=number + 1)


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


def expected_until_enough(wanted: int, limit: int, k: float) -> float:
    """How many candidates it takes on average until `wanted` have passed, `limit` at most, when each fails with k
    percent (0..100), independently: the mean of a negative binomial that is cut off.
    """
    return float(sum(binom.cdf(wanted - 1, drawn, 1 - k / 100) for drawn in range(limit)))
