"""How often the learned gate's promise is broken, on calibrations resampled from the demo models' graded pairs.

    python -m benchmarks.promise FOLDER [--calibrations 500]

FOLDER as of benchmarks.learned_gate. Each calibration fits a gate to n pairs of the pool, drawn without replacement,
and counts what it keeps among the others.
"""

import argparse
from pathlib import Path

import numpy

from adaptive_diffusion.gate import fitting
from benchmarks import learned_parts as parts
from benchmarks.learned_draw import Task, draw_all
from benchmarks.learned_gate import Graded
from benchmarks.learned_pairs import GRADER, pairs_of
from benchmarks.timing import table

PROMISES, SIZES = (2, 5, 10), (300, 1500)
SEED = 7


def row(graded: Graded, task: Task, size: int, calibrations: int) -> list[list[str]]:
    """A line for each promise."""
    found = graded.drawn
    better = found.improved > found.right
    kept: dict[int, list[tuple[float, float]]] = {most: [] for most in PROMISES}
    for number in range(calibrations):
        rows = numpy.random.default_rng([SEED, number]).permutation(len(better))
        gate = fitting.fit(pairs_of(found, task, GRADER, rows[:size]))
        risks, truth = gate.risk(found.scores[rows[size:]], found.features[rows[size:]]), better[rows[size:]]
        for most in PROMISES:
            inside = risks <= gate.promise(most).threshold
            kept[most].append(
                (100 * float((~inside).mean()), 100 * float(truth[inside].mean()) if inside.any() else 0.0)
            )
    return [_line(size, most, numpy.array(kept[most]), held_at(-found.scores, better, most)) for most in PROMISES]


def _line(size: int, most: int, kept: numpy.ndarray, percentile: float) -> list[str]:
    some = kept[:, 0] < 100
    sent = f"{kept[some, 0].mean():.0f} %" if some.any() else "all"
    broken = 100 * (kept[:, 1] > most).mean()
    return [str(size), f"{most} %", f"{broken:.1f} %", f"{100 * some.mean():.0f} %", sent, f"{percentile:.0f} %"]


def held_at(risks: numpy.ndarray, better: numpy.ndarray, most: float) -> float:
    """The least share that must go to the teacher, highest risk first, for `most` to hold of all pairs, in percent."""
    ordered = better[numpy.argsort(risks, kind="stable")]
    shares = 100 * numpy.cumsum(ordered) / numpy.arange(1, len(ordered) + 1)
    holds = numpy.flatnonzero(shares <= most)
    return 100 - 100 * (holds[-1] + 1) / len(ordered) if len(holds) else 100.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--calibrations", type=int, default=500)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    tasks = [parts.fitting(), parts.development(), parts.further()]
    draw_all(options.folder, tasks, options.workers)
    graded = Graded(options.folder, tasks)
    pool = Task("pool", graded.scenes, [seed for task in tasks for seed in task.seeds])
    lines = [line for size in SIZES for line in row(graded, pool, size, options.calibrations)]
    header = ["pairs", "promise", "broken", "keep any image", "these send", "percentile that would have held it"]
    print(table(header, lines))


if __name__ == "__main__":
    main()
