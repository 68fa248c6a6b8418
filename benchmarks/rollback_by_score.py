"""Rollback by score beside one rollback for all: the same images rejected, the same number of teacher steps.

    python -m benchmarks.rollback_by_score [--part development]

`near` is the rollback of a score right below the threshold, `far` that of one the distance below it. On the test part
only the line is measured that the development part chose.
"""

import numpy

from adaptive_diffusion.gate.rollback_by_score import RollbackByScore

from .demo_images import DemoImages, chosen_images

KS = (20, 50)
ROLLBACKS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
LINES = ((0.4, 0.7), (0.5, 0.8), (0.6, 0.9), (0.3, 0.9), (0.7, 0.4), (0.9, 0.6))
DISTANCES = (0.5, 1.0, 2.0, 3.0)
CHOSEN = RollbackByScore(0.5, 0.8, 1.0)
HEADS = "| k | rollback | distance | right | rejected that are right | - the same at {:g} |\n|---|---|---|---|---|---|"


def refined(images: DemoImages, rejected: numpy.ndarray, rollbacks: numpy.ndarray) -> numpy.ndarray:
    """1.0 where the final image is right, (I,), each of `rejected` (R,) refined from its own of `rollbacks` (R,)."""
    final = images.candidate(0).right.copy()
    for rollback in numpy.unique(rollbacks):
        rows = rejected[rollbacks == rollback]
        final[rows] = images.refined(rows, numpy.zeros_like(rows), float(rollback))
    return final


def row(images: DemoImages, k: float, line: RollbackByScore) -> str:
    threshold, scores = images.table.threshold(k), images.candidate(0).scores
    rejected = numpy.flatnonzero(scores < threshold)
    fixed = refined(images, rejected, numpy.full(len(rejected), images.teacher["rollback"]))
    rollbacks = numpy.array([line(float(score), threshold) for score in scores[rejected]]).round(6)
    final = refined(images, rejected, rollbacks)
    cells = [
        f"{k}",
        f"{line.near:g}" if line.near == line.far else f"{line.near:g} to {line.far:g}",
        "" if line.near == line.far else f"{line.distance:g}",
        images.spelled(final),
        f"{final[rejected].mean():.3f}",
        images.spelled(final - fixed, "+"),
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    images = chosen_images(__doc__)
    print(f"{images.about}\n\n{HEADS.format(images.teacher['rollback'])}")
    alike = [RollbackByScore(rollback, rollback, 1.0) for rollback in ROLLBACKS]
    by_score = [RollbackByScore(near, far, distance) for near, far in LINES for distance in DISTANCES]
    for k in KS:
        for line in [CHOSEN] if images.part == "test" else [*alike, *by_score]:
            print(row(images, k, line), flush=True)


if __name__ == "__main__":
    main()
