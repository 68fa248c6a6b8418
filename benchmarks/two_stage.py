"""A costly judge only where a cheap one is unsure, on the demo models: what is spared, and what it costs in quality.

    python -m benchmarks.two_stage [--part development]

Cheap: the demo's estimator. Costly: the exact grader in the place of a judge that knows better. Of every prompt's
images the first noise calibrates the percentiles; of the others the worst k percent go to the teacher: by each judge
alone, and by both as Combine Estimators combines them, with the range that it leaves open.
"""

from collections.abc import Iterator

import numpy

from adaptive_diffusion.comparison import told
from adaptive_diffusion.gate.combining import combine
from adaptive_diffusion.gate.percentiles import PercentileTable
from training.evaluate import by_caption

from .best_of_n import worst
from .demo_images import PROMPTS, DemoImages, chosen_images

KS = (10, 15, 20, 30, 40)
RANGES = ((0, 100), (0, 60), (0, 45), (5, 45), (10, 60))
WEIGHTS = (1.0, 3.0)
HEADS = "| k | judged by | asked of the costly | right images | more than by the cheap one |"


class Judged:
    """The images that are told of, (I,): `rows` among all, scores of the cheap and of the costly judge, percentiles."""

    def __init__(self, images: DemoImages):
        drawn, self.images = images.candidate(0), images
        self.rows = numpy.arange(PROMPTS, len(images))
        self.scores = (drawn.scores[self.rows], drawn.right[self.rows])
        columns = zip((drawn.scores, drawn.right), self.scores, strict=True)
        self.percentiles = [
            PercentileTable.from_scores("mine", column[:PROMPTS].tolist(), {}).percentiles_of(scores.tolist())
            for column, scores in columns
        ]

    def combined(self, low: float, high: float) -> tuple[numpy.ndarray, float]:
        """The combined scores, and the share of the images that the costly judge was asked about."""
        found = combine(len(self.rows), WEIGHTS, low, high, lambda number, wanted: self.percentiles[number][wanted])
        return found.scores, len(found.asked[1]) / len(self.rows)

    def final(self, scores: numpy.ndarray, k: float) -> numpy.ndarray:
        """1.0 where the image that comes out is right, (I,), when the worst k percent by these scores are refined."""
        final, rejected = self.scores[1].copy(), worst(scores, round(len(scores) * k / 100))
        rows = self.rows[rejected]
        final[rejected] = self.images.refined(rows, numpy.zeros_like(rows), self.images.teacher["rollback"])
        return final

    def spelled(self, values: numpy.ndarray, sign: str = "") -> str:
        return told(by_caption(values, [self.images.scenes[row] for row in self.rows]), sign)


def lines(judged: Judged, k: float) -> Iterator[str]:
    cheap, costly = judged.scores
    alone = judged.final(cheap, k)
    ways = {"the cheap one alone": (cheap, 0.0), "the costly one alone": (costly, 1.0)}
    ways |= {f"both, open from {low} to {high}": judged.combined(low, high) for low, high in RANGES}
    for name, (scores, asked) in ways.items():
        final = judged.final(scores, k)
        cells = [f"{k}", name, f"{asked:.1%}", judged.spelled(final), judged.spelled(final - alone, "+")]
        yield f"| {' | '.join(cells)} |"


def main() -> None:
    images = chosen_images(__doc__)
    judged = Judged(images)
    print(f"{images.about}\n\n{HEADS}\n|{'---|' * 5}")
    for k in KS:
        for line in lines(judged, k):
            print(line, flush=True)


if __name__ == "__main__":
    main()
