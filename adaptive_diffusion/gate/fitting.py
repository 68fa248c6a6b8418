"""Fitting the learned gate: which images the teacher betters, told by the student's score and features."""

import math
from typing import NamedTuple

import numpy

from ..quoting import quoted
from .components import Components, raised
from .learned import LearnedGate
from .logistic import regress
from .pairs import Pairs

FOLDS = 10
PENALTIES = tuple(float(f"{10 ** (power / 2):.3g}") for power in range(0, 8))
FEWEST = 10


class Line(NamedTuple):
    """Log odds that are linear in score and features: x @ weights + constant, where no score lies under `floor`."""

    weights: numpy.ndarray
    constant: float
    floor: float = -math.inf

    def __call__(self, x: numpy.ndarray) -> numpy.ndarray:
        return raised(x, self.floor) @ self.weights + self.constant


class LeftOut(NamedTuple):
    """What left out pairs get. penalty: the one that was chosen. log_odds (N,): that the teacher's image is better.

    scale: from the log odds of a line to these.
    """

    penalty: float
    scale: Line
    log_odds: numpy.ndarray


def fit(pairs: Pairs, name: str | None = None) -> LearnedGate:
    """The learned gate of these pairs, the same bit for bit however they came together; called as they are, or `name`.

    Ridge logistic regression (le Cessie and van Houwelingen, Applied Statistics 41, 1992) of the verdicts on the
    score and the features' principal components. Each pair counts by its stake, see `stakes`; the penalty is chosen by
    the loss on prompts that were left out, see `_penalty`. What these get is kept as the risks of the pairs, turned
    into the probability of a better image by logistic regression on them (Platt 1999).
    ValueError where there are too few pairs of a verdict, or the left out ones get no better risk than chance.
    """
    out = left_out(pairs)
    x, weights = _rows(pairs), stakes(pairs)
    whole = lines(x, pairs.improved, weights)[out.penalty]
    constant = float(out.scale.weights[0] * whole.constant + out.scale.constant)
    line = (out.scale.weights * whole.weights, constant, whole.floor)
    return LearnedGate.of(name or pairs.name, *line, out.log_odds, pairs)


def left_out(pairs: Pairs) -> LeftOut:
    """What each pair gets from a fit that left its prompt out; ValueError as of `fit`."""
    check_enough(pairs)
    x, weights = _rows(pairs), stakes(pairs)
    margins = {penalty: numpy.empty(len(pairs)) for penalty in PENALTIES}
    folds = fold_of(pairs)
    for fold in sorted({*folds.tolist()}):
        out = folds == fold
        for penalty, line in lines(x[~out], pairs.improved[~out], weights[~out]).items():
            margins[penalty][out] = line(x[out])
    penalty = _penalty(margins, pairs.improved, weights, folds)
    scale = _probability(margins[penalty], pairs)
    return LeftOut(penalty, scale, scale(margins[penalty][:, None]))


def _rows(pairs: Pairs) -> numpy.ndarray:
    """Score and features of every pair, (N, 1 + F)."""
    return numpy.column_stack([pairs.scores, pairs.features.astype(float)])


def fold_of(pairs: Pairs) -> numpy.ndarray:
    """The fold of each pair, (N,): by its prompt alone, so that no prompt is in two."""
    return (pairs.keys % numpy.uint64(FOLDS)).astype(int)


def stakes(pairs: Pairs) -> numpy.ndarray:
    """How much each pair counts, (N,), 1 on average: by how much one of its images is better than the other.

    Where nearly every image has a better or worse twin by a hair, these say little, and there are many. Equal scores
    count as much as the average pair of different ones.
    """
    student, teacher = (pairs.scores, pairs.teacher_scores) if pairs.judged is None else pairs.judged.T
    gaps = numpy.abs(teacher - student)
    gaps = numpy.where(gaps > 0, gaps, gaps[gaps > 0].mean())
    return gaps / gaps.mean()


def lines(x: numpy.ndarray, improved: numpy.ndarray, weights: numpy.ndarray) -> dict[float, Line]:
    """The line for each of PENALTIES, from the strongest on. x (N, D); improved, weights (N,)."""
    components = Components.of(x)
    reduced, found = components(x), numpy.zeros(components.directions.shape[1] + 1)
    fitted = {}
    for penalty in reversed(PENALTIES):
        found = regress(reduced, improved, weights, penalty, found)
        turned = components.directions @ found[:-1]
        fitted[penalty] = Line(turned, float(found[-1] - components.mean @ turned), components.floor)
    return fitted


def check_enough(pairs: Pairs) -> None:
    """ValueError where there are fewer than FEWEST prompts of a verdict, as many as a fit takes at the least."""
    counts = [len(numpy.unique(pairs.keys[pairs.improved == verdict])) for verdict in (True, False)]
    what, total = f"pairs {quoted(pairs.name)}", len(pairs)
    if counts[0] == 0:
        raise ValueError(f"{what}: the teacher's image is better in none of {total}; keep the student's (k 0)")
    if counts[1] == 0:
        raise ValueError(f"{what}: the teacher's image is better in all {total}; let the teacher improve all (k 100)")
    if min(counts) < FEWEST:
        more = -(-(FEWEST - min(counts)) * total // min(counts))
        raise ValueError(
            f"{what} are too few to fit: the teacher's image is better for {counts[0]} prompts and not for "
            f"{counts[1]}, and each takes {FEWEST}; draw about {more} more"
        )


def _penalty(
    margins: dict[float, numpy.ndarray], improved: numpy.ndarray, weights: numpy.ndarray, folds: numpy.ndarray
) -> float:
    """The strongest penalty whose loss is within one standard error, over folds, of the least (Breiman et al. 1984)."""
    numbers = numpy.unique(folds, return_inverse=True)[1]
    sizes, losses = numpy.bincount(numbers), {}
    for penalty, odds in margins.items():
        each = weights * numpy.logaddexp(0, numpy.where(improved, -odds, odds))
        losses[penalty] = numpy.bincount(numbers, each) / sizes
    best = min(losses, key=lambda penalty: losses[penalty].mean())
    near = losses[best].mean() + losses[best].std() / len(sizes) ** 0.5
    return max(penalty for penalty in losses if losses[penalty].mean() <= near)


def _probability(margins: numpy.ndarray, pairs: Pairs) -> Line:
    """From log odds of left out pairs to those of the teacher's image being better; ValueError unless they rise."""
    spread = margins.std() or 1.0
    slope, constant = regress(margins[:, None] / spread, pairs.improved, numpy.ones(len(pairs)), 1.0, numpy.zeros(2))
    if slope <= 0:
        raise ValueError(
            f"pairs {quoted(pairs.name)} do not show which images the teacher betters: left out ones are told no "
            f"better than by chance; draw more than {len(pairs)}, or use a percentile table"
        )
    return Line(numpy.array([slope / spread]), float(constant))
