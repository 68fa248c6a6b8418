"""The drawn images of benchmarks.learned_gate as pairs, and gates fitted to them."""

from collections.abc import Sequence
from functools import cache

import numpy

from adaptive_diffusion.gate.about import About
from adaptive_diffusion.gate.fitting import fit
from adaptive_diffusion.gate.judge import Judge
from adaptive_diffusion.gate.learned import LearnedGate
from adaptive_diffusion.gate.pairs import Pairs
from adaptive_diffusion.gate.student import Student
from adaptive_diffusion.gate.teacher import Teacher
from adaptive_diffusion.standalone import demo
from adaptive_diffusion.standalone.identity import DEMO_NAME
from adaptive_diffusion.standalone.oracle import ExactJudge
from benchmarks.learned_draw import Drawn, Task

ESTIMATOR, GRADER = "estimator", "grader"


@cache
def _about(graded: bool) -> About:
    settings, estimator = demo.settings(), demo.load_estimator()
    student, teacher = settings["student"], settings["teacher"]
    size = settings["size"]
    return About(
        Judge.of(estimator),
        estimator.feature_names,
        Student(DEMO_NAME, student["steps"], student["cfg"], width=size, height=size, dtype="float32"),
        Teacher(
            "teacher",
            "refine",
            teacher["steps"],
            teacher["cfg"],
            rollback=teacher["rollback"],
            rollback_scale=teacher["rollback_scale"],
            dtype="float32",
        ),
        Judge(ExactJudge.name) if graded else None,
    )


def pairs_of(drawn: Drawn, task: Task, labels: str, rows: Sequence[int] | None = None) -> Pairs:
    """The pairs of these rows, of all without; labels: ESTIMATOR or GRADER, who says which image is better."""
    picked = numpy.arange(len(drawn.scores)) if rows is None else numpy.asarray(rows)
    graded = numpy.column_stack([drawn.right, drawn.improved])[picked] if labels == GRADER else None
    return Pairs.drawn(
        f"{task.name}, by the {labels}",
        [task.scenes[i].caption for i in picked],
        [task.seeds[i] for i in picked],
        drawn.scores[picked],
        drawn.features[picked],
        drawn.second[picked],
        graded,
        _about(labels == GRADER),
        picked.tolist(),
    )


def gates(drawn: Drawn, task: Task, labels: str, size: int, repeats: int) -> list[LearnedGate]:
    """Gates fitted to `size` of the pairs: to the first ones, and to others drawn at random."""
    total = len(drawn.scores)
    rows = [numpy.arange(size)] + [numpy.random.default_rng(i).permutation(total)[:size] for i in range(1, repeats)]
    return [fit(pairs_of(drawn, task, labels, part)) for part in rows]
