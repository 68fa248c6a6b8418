"""The learned gate against the percentile gate on the demo models, graded by the exact grader.

    python -m benchmarks.learned_gate FOLDER                 draws what FOLDER lacks, then the development part's tables
    python -m benchmarks.learned_gate FOLDER --part test     the test part's, against what was fixed beforehand

Captions, seeds, k, evaluations and bars were fixed in benchmarks/learned_parts.py before any image was drawn; the test
part was drawn with the others. Gates are fitted to pairs of the training part. At k the images of highest risk (or
lowest score) of the run go to the teacher, k percent of them.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy

from adaptive_diffusion.comparison import Interval, clustered, told
from adaptive_diffusion.gate.pairs import prompt_keys
from adaptive_diffusion.gate.ranking import area
from adaptive_diffusion.standalone.scenes import Scene
from benchmarks import learned_parts as parts
from benchmarks import policies
from benchmarks.learned_draw import Drawn, Task, draw_all, drawn
from benchmarks.learned_pairs import ESTIMATOR, GRADER, gates
from benchmarks.timing import table
from training.evaluate import by_caption

SHARES = (10, 15, 20, 30, 50)
SIZES = {1500: 1, 500: 10, 300: 10}


class Graded:
    """Images of a part and their grades, under the risks of a gate."""

    def __init__(self, folder: Path, tasks: Sequence[Task]):
        found = [drawn(folder, task) for task in tasks]
        counted = found[0].evaluations
        columns = zip(*(one[:-1] for one in found), strict=True)
        self.drawn = Drawn(*(numpy.concatenate(column) for column in columns), evaluations=counted)
        self.scenes = [scene for task in tasks for scene in task.scenes]
        self.keys = prompt_keys([scene.caption for scene in self.scenes])

    def area(self, risks: numpy.ndarray) -> Interval:
        """The AUC for "the student's image is wrong"."""
        return area(risks, self.drawn.right < 1, self.keys)

    def right(self, risks: numpy.ndarray, k: float) -> numpy.ndarray:
        """1.0 for each image that ends up right when k percent go to the teacher."""
        return policies.adaptive(self.drawn.right, self.drawn.improved, -risks, k)

    def perfect(self, k: float) -> float:
        """The share right when as many go that gain most."""
        return float(policies.perfect(self.drawn.right, self.drawn.improved, self.drawn.scores, k).mean())

    def row(self, name: str, risks: Sequence[numpy.ndarray]) -> list[str]:
        """A line of the table; of several gates the mean, and of their AUC the least."""
        areas = [self.area(one) for one in risks]
        value = told(areas[0]) if len(risks) == 1 else _mean_and_least([one.value for one in areas])
        return [name, value, *(f"{numpy.mean([self.right(one, k).mean() for one in risks]):.3f}" for k in SHARES)]


def in_part(values: numpy.ndarray, scenes: Sequence[Scene]) -> Interval:
    """As `by_caption`, for the captions of one part, which has so few of one object that all of them were drawn.

    Such a caption is a stratum by itself, whose images differ by their noise alone: where every cluster of a stratum is
    in the sample, only the variance within clusters is left (Cochran, Sampling Techniques, 1977, section 10.3).
    """
    single = [len(one.objects) == 1 for one in scenes]
    clusters = [row if alone else one.meaning for row, (one, alone) in enumerate(zip(scenes, single, strict=True))]
    strata = [one.meaning if alone else len(one.objects) for one, alone in zip(scenes, single, strict=True)]
    return clustered(values, clusters, strata)


def _mean_and_least(values: Sequence[float]) -> str:
    return f"{numpy.mean(values):.3f} (least {min(values):.3f})"


def development(folder: Path, graded: Graded) -> str:
    task, found = parts.fitting(), drawn(folder, parts.fitting())
    rows = [graded.row("percentile of the score", [-graded.drawn.scores])]
    for labels in (ESTIMATOR, GRADER):
        for size, repeats in SIZES.items():
            risks = [
                gate.risk(graded.drawn.scores, graded.drawn.features)
                for gate in gates(found, task, labels, size, repeats)
            ]
            rows.append(graded.row(f"learned, {size} pairs, labels by the {labels}", risks))
    rows.append(["perfect routing", "1", *(f"{graded.perfect(k):.3f}" for k in SHARES)])
    header = [f"{len(graded.scenes)} images; gate", "AUC for wrong", *(f"k = {k}" for k in SHARES)]
    return table(header, rows)


def relative(folder: Path, graded: Graded) -> str:
    """As if the estimator's scores of each caption lay at a height of their own, spread as the scores are."""
    task, found = parts.fitting(), drawn(folder, parts.fitting())
    rows = []
    for labels in (ESTIMATOR, GRADER):
        for name, spread in (("as they are", 0.0), ("with an offset for each caption", float(found.scores.std()))):
            higher = spread * _offsets(prompt_keys([scene.caption for scene in task.scenes]))
            fitted = found._replace(scores=found.scores + higher, second=found.second + higher)
            [gate] = gates(fitted, task, labels, len(found.scores), 1)
            scores = graded.drawn.scores + spread * _offsets(graded.keys)
            areas = graded.area(-scores).value, graded.area(gate.risk(scores, graded.drawn.features)).value
            rows.append([name, labels, *(f"{one:.3f}" for one in areas)])
    return table(["scores", "labels by the", "AUC of the percentile gate", "of the learned gate"], rows)


def _offsets(keys: numpy.ndarray) -> numpy.ndarray:
    """A normal number for each prompt, (N,)."""
    return numpy.array([numpy.random.default_rng(int(key)).normal() for key in keys])


def tested(folder: Path, graded: Graded) -> str:
    """The bars of the test part: labels by the demo estimator alone."""
    task, found = parts.fitting(), drawn(folder, parts.fitting())
    [gate] = gates(found, task, ESTIMATOR, len(found.scores), 1)
    risks, by_score = gate.risk(graded.drawn.scores, graded.drawn.features), -graded.drawn.scores
    rows = [
        [
            str(k),
            *(told(by_caption(graded.right(one, k), graded.scenes)) for one in (risks, by_score)),
            *_both(graded.right(risks, k) - graded.right(by_score, k), graded.scenes),
            f"{graded.perfect(k):.3f}",
        ]
        for k in parts.JUDGED_AT
    ]
    compared = ("learned - percentile ± 95 %", "of these single objects")
    at_k = table(["k", "learned", "percentile", *compared, "perfect"], rows)
    alone = [_against_the_student(graded, risks, evaluations) for evaluations in parts.EVALUATIONS]
    header = ["evaluations", "k", "learned", "student alone", "learned - student ± 95 %", compared[1]]
    areas = [told(graded.area(one)) for one in (risks, by_score)]
    return f"AUC for wrong: learned {areas[0]}, percentile {areas[1]}.\n\n{at_k}\n\n{table(header, alone)}"


def _against_the_student(graded: Graded, risks: numpy.ndarray, evaluations: int) -> list[str]:
    pair, *longer = graded.drawn.evaluations
    k = 100 * (evaluations - 1) / (pair - 1)
    steps = numpy.array([1, *longer])
    ways = numpy.column_stack([graded.drawn.right, graded.drawn.alone])
    above = int(numpy.searchsorted(steps, evaluations))
    share = (evaluations - steps[above - 1]) / (steps[above] - steps[above - 1])
    student = (1 - share) * ways[:, above - 1] + share * ways[:, above]
    ours = graded.right(risks, k)
    told_each = [told(by_caption(one, graded.scenes)) for one in (ours, student)]
    return [str(evaluations), f"{k:.0f}", *told_each, *_both(ours - student, graded.scenes)]


def _both(difference: numpy.ndarray, scenes: Sequence[Scene]) -> tuple[str, str]:
    """A difference with its interval for captions like these, and for those of the part."""
    within = in_part(difference, scenes)
    return told(by_caption(difference, scenes), "+"), f"± {within.high - within.value:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--part", choices=("development", "test"), default="development")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    tasks = {"development": [parts.development(), parts.further()], "test": [parts.test()]}[options.part]
    draw_all(options.folder, [parts.fitting(), *tasks], options.workers)
    graded = Graded(options.folder, tasks)
    if options.part == "test":
        print(tested(options.folder, graded))
        return
    print(development(options.folder, Graded(options.folder, tasks[:1])))
    print(f"\n{development(options.folder, graded)}\n\n{relative(options.folder, graded)}")


if __name__ == "__main__":
    main()
