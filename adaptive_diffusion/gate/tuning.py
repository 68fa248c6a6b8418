"""Tuning: which settings of student and teacher, which k and which gate give the most for a cost.

All settings are tried on some prompts, the better half on twice as many, and so on (successive halving, Karnin, Koren
and Somekh, Almost Optimal Exploration in Multi-Armed Bandits, ICML 2013). A gate is only arithmetic on what was drawn,
so that every k and every gate of a setting is tried for the price of its pairs. Nothing that is chosen depends on
seconds, which differ from run to run.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy

from ..locks import locked
from ..prompts import described, prompt_seeds
from . import routing
from .about import About
from .calibration import CHUNK, Found, batches_of, chunks, draw_missing
from .choice import ANY_BUDGET, Choice, best, choose, leaders, ranked
from .fitting import left_out
from .journal import KIND, SCORES, Journal, stacked
from .judge import Judge
from .pairing import FEATURES
from .pairs import Pairs
from .routing import Looked, Point
from .student import Student
from .teacher import Teacher
from .ways import Setting, Way, check_numbers, student_way

TUNING = "tuning"
QUALITY, EVALUATIONS, SECONDS, SCORING = "quality", "evaluations", "seconds", "scoring"
LEAST_PROMPTS, CANDIDATES = 50, 4
Draw = Callable[[Way, Sequence[int]], Iterable[Found]]


@dataclass(frozen=True)
class Tuning:
    """What is tuned, on which prompts; prompt i is drawn with seed + i, `batch` prompts at a time.

    estimator, judge: fields of Judge; the judge says how good an image is, and is empty where the estimator does.
    feature_names: what the estimator's features are. student, teacher: without what the settings say of them.
    budgets: what an image may cost on average, in evaluations.
    """

    estimator: Mapping[str, str]
    judge: Mapping[str, str]
    feature_names: str
    student: Student
    teacher: Teacher
    prompts: Sequence[str]
    seed: int
    batch: int
    settings: Sequence[Setting]
    budgets: Sequence[float]

    def about(self) -> dict[str, Any]:
        """What must be the same for a run to go on where another stopped; settings and budgets may be others."""
        models = {"student": self.student.settings, "teacher": self.teacher.settings}
        judges = {"estimator": self.estimator, "judge": self.judge}
        return {**judges, **models, "prompts": described(self.prompts, self.seed), "batch": self.batch}

    @property
    def targets(self) -> list[float]:
        return [*self.budgets, ANY_BUDGET]

    @property
    def students(self) -> list[Way]:
        """Every number of student steps, the fewest first, and the candidates of these."""
        steps = sorted({setting.student.student_steps for setting in self.settings if setting.student})
        return [*map(student_way, steps), *(student_way(steps[0], number) for number in range(1, CANDIDATES))]

    @property
    def images(self) -> int:
        """About how many images it draws."""
        drawn, before, trying = len(self.students) * len(self.prompts), 0, len(self.settings)
        for count in self.rounds:
            drawn, before, trying = drawn + (count - before) * trying, count, (trying + 1) // 2
        return drawn

    @property
    def rounds(self) -> list[int]:
        """How many prompts each round tries; the last one all."""
        halvings = max(0, len(self.settings) - 1).bit_length() - 1
        sizes = [len(self.prompts) >> halving for halving in range(halvings, 0, -1)]
        return [*(size for size in sizes if size >= LEAST_PROMPTS), len(self.prompts)]


@dataclass(frozen=True)
class Tuned:
    """What came of a tuning.

    points: what student and teacher alone, the best of N and every setting of the last round give. dropped: what each
    setting gives that was left out before, by fewer prompts. choices: for each budget, then whatever is the cheapest
    that is as good as the best.
    """

    task: Tuning
    points: Sequence[Point]
    dropped: Sequence[Sequence[Point]]
    choices: Sequence[Choice]
    journal: Journal

    @property
    def chosen(self) -> Choice:
        """The choice for the first budget, or the cheapest where there is none."""
        return self.choices[0]

    @property
    def student_steps(self) -> int:
        """Those of what was chosen; the fewest that were tried, where the teacher draws alone."""
        point = self.chosen.point
        if point.k and point.setting:
            return point.setting.ways[0].student_steps
        return point.number if point.name == routing.STUDENT_ALONE else self.task.students[0].student_steps

    @property
    def setting(self) -> Setting:
        """The one that was chosen; where no gate was, that of which gates give the most, of this student if any."""
        if self.chosen.point.k and self.chosen.point.setting:
            return self.chosen.point.setting
        gated = [point for point in self.points if point.k and point.setting]
        own = [point for point in gated if point.setting and point.setting.ways[0].student_steps == self.student_steps]
        return best(own or gated).setting  # type: ignore[return-value]

    @property
    def scores(self) -> list[float]:
        """Those of the images of the student that was chosen."""
        rows = self.journal.of(student_way(self.student_steps).series)
        return stacked(rows, SCORES, range(len(self.task.prompts))).tolist()

    @property
    def k(self) -> float:
        """The chosen share to improve; 0 for the student alone, 100 for the teacher alone."""
        point = self.chosen.point
        return point.k or (100.0 if point.name == routing.TEACHER_ALONE else 0.0)

    def pairs(self, setting: Setting, name: str) -> Pairs:
        """The pairs of a setting of the last round."""
        return _pairs(self.task, self.journal, setting, len(self.task.prompts), name)


def tune(path: Path, task: Tuning, draw: Draw, tell: Callable[[int], None], images: int = CHUNK) -> Tuned:
    """Draw what the journal at `path` lacks, and choose.

    draw: given a way and the numbers of the prompts that batches begin with, yields each with what was found of the
    batch: scores, quality, evaluations, seconds and scoring of each image, of a student's also features. tell: called
    with the number of images that there are, after every batch. The journal stays: the same tuning with other budgets
    or more settings draws only what it lacks. images: about so many are drawn in one way before the next one's turn.
    ValueError where there are fewer than LEAST_PROMPTS prompts, where the
    journal is of another task, or another process is at work on it.
    """
    if len(task.prompts) < LEAST_PROMPTS:
        raise ValueError(f"{len(task.prompts)} prompts tell too little to choose by; give at least {LEAST_PROMPTS}")
    if task.budgets:
        check_numbers("budgets", task.budgets, 0)
    with locked(path):
        journal = Journal(path, {KIND: TUNING, **task.about()})
        settings, dropped = list(task.settings), []
        for count in task.rounds:
            _draw(task, journal, settings, count, draw, tell, images)
            if count < len(task.prompts):
                curves = {setting: _curve(task, journal, setting, count) for setting in settings}
                settings = _better_half(task, curves)
                dropped += [points for setting, points in curves.items() if setting not in settings]
    return _tuned(task, journal, settings, dropped)


def _draw(
    task: Tuning,
    journal: Journal,
    settings: Sequence[Setting],
    count: int,
    draw: Draw,
    tell: Callable[[int], None],
    images: int,
) -> None:
    """Every way of the settings for the first `count` prompts, chunk by chunk, so that a student's images serve all."""
    ways = list(dict.fromkeys(chain(task.students, *(setting.ways for setting in settings))))
    every = [batch for batch in batches_of(len(task.prompts), task.batch) if batch[0] < count]
    for part in chunks(every, task.batch, images):
        for way in ways:
            draw_missing(journal, part, partial(draw, way), lambda _: tell(journal.size), way.series)


def _better_half(task: Tuning, curves: Mapping[Setting, Sequence[Point]]) -> list[Setting]:
    """Half of the settings with a student and half of those without, and whichever is the best at a budget."""
    kept: list[Setting] = []
    for with_student in (True, False):
        settings = [setting for setting in curves if (setting.student is not None) == with_student]
        points = [curves[setting] for setting in settings]
        most = max((len(points) + 1) // 2, leaders(points, task.targets))
        kept += [settings[number] for number in sorted(ranked(points, task.targets)[:most])]
    return kept


def _tuned(task: Tuning, journal: Journal, settings: Sequence[Setting], dropped: Sequence[Sequence[Point]]) -> Tuned:
    total = len(task.prompts)
    curves = [_curve(task, journal, setting, total) for setting in settings]
    points = [*_students(task, journal, total), *chain(*curves)]
    choices = [choose(points, target) for target in task.targets]
    return Tuned(task, points, dropped, choices, journal)


def _students(task: Tuning, journal: Journal, count: int) -> Iterator[Point]:
    """The student alone in every number of steps, and the best of N."""
    looked = {way: _looked(journal, way, count) for way in task.students}
    for way, found in looked.items():
        if not way.candidate:
            yield routing.alone(routing.STUDENT_ALONE, found, way.student_steps)
    first, *others = [way for way in looked if way.student_steps == task.students[0].student_steps]
    for number in range(1, len(others) + 1):
        yield routing.best_of([looked[way] for way in (first, *others[:number])])


def _curve(task: Tuning, journal: Journal, setting: Setting, count: int) -> list[Point]:
    """All that a setting gives, by its first `count` prompts."""
    teacher = _looked(journal, setting.teacher, count)
    if setting.student is None:
        return [routing.alone(routing.TEACHER_ALONE, teacher, setting.teacher.teacher_steps, setting)]
    student = _looked(journal, setting.student, count)
    return routing.routes(setting, student, teacher, _risks(_pairs(task, journal, setting, count, "tuned")))


def _risks(pairs: Pairs) -> numpy.ndarray | None:
    """The log odds of each pair by a fit that left it out, by its prompt's number; None where none can be fitted."""
    try:
        log_odds = left_out(pairs).log_odds
    except ValueError:
        return None
    found = numpy.empty(len(pairs))
    found[pairs.numbers] = log_odds
    return found


def _looked(journal: Journal, way: Way, count: int) -> Looked:
    rows = journal.of(way.series)
    scores, quality, evaluations, seconds, scoring = (
        stacked(rows, name, range(count)) for name in (SCORES, QUALITY, EVALUATIONS, SECONDS, SCORING)
    )
    costs = map(float, (evaluations.mean(), numpy.median(seconds), numpy.median(scoring)))
    return Looked(scores, quality, *costs)


def _pairs(task: Tuning, journal: Journal, setting: Setting, count: int, name: str) -> Pairs:
    """The pairs of a setting with a student, of the first `count` prompts."""
    student, teacher = (journal.of(way.series) for way in setting.ways)
    numbers = range(count)
    judged = [stacked(rows, QUALITY, numbers) for rows in (student, teacher)]
    about = About(
        Judge.read(task.estimator),
        task.feature_names,
        replace(task.student, steps=setting.ways[0].student_steps),
        _teacher(task.teacher, setting.teacher),
        Judge.read(task.judge) if task.judge else None,
        described(task.prompts[:count], task.seed),
    )
    return Pairs.drawn(
        name,
        task.prompts[:count],
        prompt_seeds(task.seed, count),
        stacked(student, SCORES, numbers),
        stacked(student, FEATURES, numbers),
        stacked(teacher, SCORES, numbers),
        numpy.stack(judged, 1) if task.judge else None,
        about,
    )


def _teacher(teacher: Teacher, way: Way) -> Teacher:
    """The teacher as it draws in this way."""
    scale = teacher.rollback_scale if way.rollback else None
    named = replace(teacher, strategy=way.strategy, steps=way.teacher_steps)
    return replace(named, rollback=way.rollback, rollback_scale=scale)
