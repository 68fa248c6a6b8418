"""Measure the demo models by the exact grader, on captions and noise seeds kept apart by their hash.

    python -m training.evaluate
    python -m training.evaluate --part development    to look at before the test part is touched

Fixed beforehand: DDIM at trailing timesteps and CFG 3 for the teacher alone, at every number of steps.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy

from adaptive_diffusion.comparison import Interval, clustered, told
from adaptive_diffusion.files import write_atomically
from adaptive_diffusion.standalone.scenes import Scene

from .export import DEMO_MODELS
from .sampling import DemoModels, captions_for, exact

SEED = 20261
CFG = 3.0
TEACHER_STEPS = (1, 2, 3, 4, 6, 8, 12, 20)
STUDENT_STEPS = (1, 2, 4)
SHARES = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
RESULTS = Path(__file__).parent / "results.md"


def by_caption(values: numpy.ndarray, scenes: Sequence[Scene], coverage: float = 0.95) -> Interval:
    """The mean of values (N,), a scene each: images of one caption count as one, each number of objects by itself."""
    return clustered(values, [one.meaning for one in scenes], [len(one.objects) for one in scenes], coverage)


def row(name: str, values: numpy.ndarray, scenes: Sequence[Scene]) -> str:
    """A line of the table: all, then images of one, two and three objects (which come in turn)."""
    parts = [slice(None), slice(0, None, 3), slice(1, None, 3), slice(2, None, 3)]
    cells = [told(by_caption(values[part], scenes[part])) for part in parts]
    return f"| {name} | " + " | ".join(cells) + " |"


def area_under_curve(scores: numpy.ndarray, right: numpy.ndarray) -> float:
    """Chance that a right image scores above a wrong one; ties count half."""
    good, bad = scores[right == 1][:, None], scores[right == 0][None]
    return float((good > bad).mean() + 0.5 * (good == bad).mean())


def curve(scores, student, improved, scenes, cost: float, student_cost: float) -> list[str]:
    """Quality against UNet evaluations when the worst share goes to the teacher: by score, at random, perfectly.

    The last column is how much the score beats random routing.
    """
    lines = []
    order, gain = numpy.argsort(scores, kind="stable"), improved - student
    for share in SHARES:
        count = round(len(scores) * share / 100)
        adaptive = student.copy()
        adaptive[order[:count]] = improved[order[:count]]
        random = student + share / 100 * gain
        perfect = student.mean() + numpy.sort(gain)[::-1][:count].sum() / len(gain)
        quality, better = told(by_caption(adaptive, scenes)), told(by_caption(adaptive - random, scenes), "+")
        cells = [
            str(share),
            f"{student_cost + share / 100 * cost:.1f}",
            quality,
            f"{random.mean():.3f}",
            f"{perfect:.3f}",
            better,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def evaluate(folder: Path, count: int, part: str) -> str:
    models = DemoModels(folder)
    scenes, seeds = captions_for(count, SEED, part)
    singles = len({scene.meaning for scene in scenes[::3]})
    lines = [
        f"N = {count} images of captions and noise seeds of the {part} part, a third each with one, two and three "
        f"objects ({singles} different captions with one). Exact share ± 95 %, by caption.",
        "",
    ]
    lines += ["| drawn by | all | one | two | three |", "|---|---|---|---|---|"]
    captions = [scene.caption for scene in scenes]
    ways = [(f"teacher, {steps} steps, CFG {CFG:g}", "ddim", steps, CFG) for steps in TEACHER_STEPS]
    ways += [(f"student, {steps} steps", "student", steps, 1.0) for steps in STUDENT_STEPS]
    for name, drawer, steps, cfg in ways:
        lines.append(row(name, exact(models.draw(drawer, captions, seeds, steps, cfg)), scenes))
        print(lines[-1], flush=True)
    lines += adaptive_tables(models, scenes, seeds)
    return "\n".join(lines) + "\n"


def adaptive_tables(models: DemoModels, scenes: list[Scene], seeds: list[int]) -> list[str]:
    """The estimator's AUC on the student's images, and the adaptive curves of refining and regenerating."""
    student, teacher, captions = models.settings["student"], models.settings["teacher"], [one.caption for one in scenes]
    first = models.draw("student", captions, seeds, student["steps"], student["cfg"])
    drawn, scores = exact(first), models.scores(first)
    areas = [area_under_curve(scores[i::3], drawn[i::3]) for i in range(3)]
    lines = [
        "",
        f"Estimator's AUC against the grader on the student's images: {area_under_curve(scores, drawn):.3f}; among "
        f"those with one, two and three objects alone: {areas[0]:.3f}, {areas[1]:.3f}, {areas[2]:.3f}.",
    ]
    ways = {
        f"refined from {teacher['rollback']:g}": ("refine", teacher["steps"]),
        "regenerated": ("unipc", teacher["steps_alone"]),
    }
    for name, (drawer, steps) in ways.items():
        improved = models.draw(drawer, captions, seeds, steps, teacher["cfg"])
        lines += ["", f"Rejected images {name} with {steps} UniPC steps at CFG {teacher['cfg']:g}:", ""]
        lines += [
            "| k | UNet evaluations | adaptive | random | perfect | adaptive - random |",
            "|---|---|---|---|---|---|",
        ]
        before = first.evaluations[0] if drawer == "refine" else 0
        lines += curve(scores, drawn, exact(improved), scenes, improved.evaluations[0] - before, first.evaluations[0])
    return lines


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--models", type=Path, default=DEMO_MODELS)
    options.add_argument("--count", type=int, default=900)
    options.add_argument("--part", choices=("development", "test"), default="test")
    chosen = options.parse_args()
    table = evaluate(chosen.models, chosen.count, chosen.part)
    print(table)
    if chosen.part == "test":
        write_atomically(RESULTS, f"# Demo models, measured\n\n{table}".encode())
