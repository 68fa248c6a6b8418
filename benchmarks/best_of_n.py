"""Up to N drawings of the student before the teacher, beside the plain gate at equal model evaluations.

    python -m benchmarks.best_of_n [--part development]

The plain gate draws once and sends the worst share to the teacher, as large a share as costs the same. On the test part
only those N are measured that the development part left to choose from.
"""

import numpy

from adaptive_diffusion.gate.best_of_n import best_of, expected_candidates

from .demo_images import DemoImages, chosen_images

KS = (10, 20, 30, 40, 50, 60)
LIMITS = {"development": (2, 3, 4, 6, 8), "test": (2, 3, 4)}
HEADS = "| N | k | candidates (expected) | to the teacher | evaluations | best of N | plain gate | difference |"


def gated(images: DemoImages, right: numpy.ndarray, kept: numpy.ndarray, rejected: numpy.ndarray) -> numpy.ndarray:
    """1.0 where the final image is right, (I,): right (I, N) of each drawing, the teacher's where `rejected`."""
    final = right[numpy.arange(len(kept)), kept]
    rows = numpy.flatnonzero(rejected)
    final[rows] = images.refined(rows, kept[rows], images.teacher["rollback"])
    return final


def worst(scores: numpy.ndarray, count: int) -> numpy.ndarray:
    """Where the `count` lowest of scores (I,) are, (I,)."""
    rejected = numpy.zeros(len(scores), bool)
    rejected[numpy.argsort(scores, kind="stable")[:count]] = True
    return rejected


def row(images: DemoImages, scores: numpy.ndarray, right: numpy.ndarray, limit: int, k: float) -> str:
    threshold = images.table.threshold(k)
    found = best_of(limit, len(images), threshold, lambda number, rows: [(scores[i, number], number) for i in rows])
    kept, drawn = (numpy.array([getattr(best, name) for best in found]) for name in ("candidate", "candidates"))
    failing = numpy.array([best.score < threshold for best in found])
    student, teacher = images.evaluations
    cost = student * drawn.mean() + teacher * failing.mean()
    search = gated(images, right, kept, failing)
    affordable = round(len(images) * (cost - student) / teacher)
    plain = gated(images, right, numpy.zeros_like(kept), worst(scores[:, 0], affordable))
    cells = [
        f"{limit}",
        f"{k}",
        f"{drawn.mean():.2f} ({expected_candidates(limit, k):.2f})",
        f"{failing.mean():.1%}",
        f"{cost:.2f}",
        images.spelled(search),
        images.spelled(plain),
        images.spelled(search - plain, "+"),
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    images = chosen_images(__doc__)
    limits = LIMITS[images.part]
    candidates = [images.candidate(number) for number in range(max(limits))]
    scores = numpy.stack([candidate.scores for candidate in candidates], 1)
    right = numpy.stack([candidate.right for candidate in candidates], 1)
    print(f"{images.about}\n\n{HEADS}\n|{'---|' * 8}")
    for limit in limits:
        for k in KS:
            print(row(images, scores, right, limit, k), flush=True)


if __name__ == "__main__":
    main()
