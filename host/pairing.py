"""Pairs of any graph: the scores of a student's images, and of what a teacher made of all of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy

from ..adaptive_diffusion.gate.about import About
from ..adaptive_diffusion.gate.decision import QualityScores
from ..adaptive_diffusion.gate.judge import Judge
from ..adaptive_diffusion.gate.pairs import Pairs
from ..adaptive_diffusion.gate.student import Student
from ..adaptive_diffusion.gate.teacher import Teacher
from ..adaptive_diffusion.gate.verdicts import regrouped

Groups = Sequence[QualityScores]
LINK = "link what Quality Score gives for"


def pairs_of(
    name: str,
    scores: Groups,
    improved: Groups,
    judged: tuple[Groups, Groups] | None,
    student: Student | None,
    teacher: str,
) -> Pairs:
    """The pairs of these scores of all images, the student's and the teacher's.

    judged: a second judge's scores of both, or None. teacher: what the teacher is called, "" for unknown.
    ValueError where they are not of the same images, or tell neither prompts nor features.
    """
    students, prompts = _joined("scores", scores), [prompt for group in scores for prompt in group.prompts]
    teachers = _joined("improved_scores", _beside(scores, improved, "improved_scores"))
    if told := students.judge.unequal(teachers.judge):
        names = f"{teachers.judge.label}, the scores of {students.judge.label}"
        raise ValueError(f"improved_scores are of {names} ({', '.join(told)}); score both with one estimator")
    if students.features is None or not students.features.shape[1]:
        raise ValueError(f"the scores carry no features; {LINK} the student's images")
    seconds = judged and _judged(scores, *judged)
    about = About(
        students.judge,
        students.feature_names,
        student or Student(),
        Teacher(teacher or None),
        seconds and seconds[0].judge,
        {"count": len(students)},
    )
    verdicts = seconds and numpy.array([each.values for each in seconds]).T
    seeds = [int(digest, 16) for digest in students.digests]
    return Pairs.drawn(name, prompts, seeds, students.values, students.features, teachers.values, verdicts, about)


def new_in(pairs: Pairs, path: Path) -> Pairs | None:
    """Those of the pairs that the file at `path` does not hold; None where it holds all."""
    if not path.exists():
        return pairs
    kept = Pairs.load(path)
    known = {*zip(kept.keys.tolist(), kept.seeds.tolist(), strict=True)}
    images = zip(pairs.keys.tolist(), pairs.seeds.tolist(), strict=True)
    rows = [row for row, image in enumerate(images) if image not in known]
    return pairs.pick(rows) if rows else None


def _judged(scores: Groups, students: Groups, teachers: Groups) -> tuple[QualityScores, QualityScores]:
    """A second judge's scores of both images of every pair."""
    names = ("judged_scores", "judged_improved_scores")
    both = [
        _joined(name, _beside(scores, groups, name)) for name, groups in zip(names, (students, teachers), strict=True)
    ]
    if both[0].judge.unequal(both[1].judge):
        raise ValueError(f"{' and '.join(names)} are of two judges; score both with one")
    return both[0], both[1]


def _beside(scores: Groups, others: Groups, name: str) -> Groups:
    """The scores called `name`, a batch for each of `scores`; ValueError unless they are of the same images."""
    others = regrouped(others, [len(group) for group in scores])
    if [len(group) for group in others] != [len(group) for group in scores]:
        counts = f"{sum(map(len, others))} {name} came for {sum(map(len, scores))} scores"
        raise ValueError(f"{counts}; let the teacher improve all images (k = 100), and score what it made of each")
    for one, other in zip(scores, others, strict=True):
        if one.rows.numbers != other.rows.numbers or one.prompts != other.prompts:
            raise ValueError(f"{name} are of other images or prompts than the scores; {LINK} the same images, improved")
    return others


def _joined(name: str, groups: Groups) -> QualityScores:
    """All batches as one; ValueError where they are of several judges, or do not tell prompts and images."""
    judges: set[Judge] = {group.judge for group in groups}
    if len(judges) > 1:
        raise ValueError(f"{name} are of {len(judges)} estimators; score all images with one")
    if not all(group.digests and all(group.prompts) for group in groups):
        raise ValueError(f"{name} do not tell which images and prompts they are of; {LINK} them")
    return regrouped(groups, [sum(map(len, groups))])[0] if len(groups) > 1 else groups[0]
