"""What a threshold is taken of: the scores in a percentile table, or the risks in a learned gate."""

from dataclasses import replace
from typing import Any

from ..quoting import quoted
from .confidence import Confidence, confidence
from .decision import QualityScores
from .judge import Judge
from .learned import LearnedGate
from .percentiles import THIS_RUN, PercentileTable
from .promise import Promise
from .student import Student
from .teacher import Teacher

Gauge = PercentileTable | LearnedGate


def merits(gauge: Gauge) -> tuple[float, ...]:
    """Its raw numbers, higher is better, ascending: scores, or risks turned round; none of a table that keeps none."""
    return tuple((-gauge.risks[::-1]).tolist()) if isinstance(gauge, LearnedGate) else gauge.scores


def table_of(gauge: Gauge, name: str) -> PercentileTable:
    """A table of its merits, called `name`."""
    if isinstance(gauge, LearnedGate):
        return PercentileTable.from_scores(name, merits(gauge), gauge.about.estimator.settings, gauge.about.student)
    return gauge


def measured(gauge: Gauge, scores: QualityScores) -> tuple[float, ...]:
    """The risks that a learned gate gives the images of a batch; () of a table, which goes by the scores themselves.

    ValueError where the scores are of another estimator, or came without the features that the gate reads.
    """
    if not isinstance(gauge, LearnedGate):
        gauge.check_estimator(scores.judge)
        return ()
    if scores.features is None:
        raise ValueError(
            f"gate {quoted(gauge.name)} reads what an estimator saw in image and prompt, but only scores came; link "
            "those of Quality Score, or choose a percentile table"
        )
    gauge.check_estimator(scores.judge, scores.feature_names)
    return tuple(gauge.risk(scores.values, scores.features).tolist())


def check_estimator(gauge: Gauge, estimator: Any) -> None:
    """ValueError where it was made with another estimator, before anything is scored."""
    if isinstance(gauge, LearnedGate):
        gauge.check_estimator(Judge.of(estimator), getattr(estimator, "feature_names", ""))
    else:
        gauge.check_estimator(Judge.of(estimator))


def another_student(gauge: Gauge, student: Student) -> list[str]:
    """A sentence where it was made with another student than this one, else none."""
    if isinstance(gauge, LearnedGate):
        kind, differences = "gate", gauge.differences(student, None)
    else:
        kind, differences = "table", gauge.differences(student)
    told = f"{kind} {quoted(gauge.name)} was made with another student: {', '.join(differences)}"
    return [told] if differences else []


def another_teacher(gauge: Gauge, teacher: Teacher) -> list[str]:
    """A sentence where a learned gate was fitted to what another teacher makes of images, else none."""
    differences = gauge.differences(None, teacher) if isinstance(gauge, LearnedGate) else []
    told = f"gate {quoted(gauge.name)} was fitted to another teacher: {', '.join(differences)}"
    return [told] if differences else []


def safe(gauge: Gauge | None, most: float) -> Promise:
    """What can be promised of the images that are kept: at most `most` percent would have been improved.

    gauge: None for the percentiles of this run. ValueError for percentiles, which know nothing of the teacher.
    """
    if not isinstance(gauge, LearnedGate):
        name = gauge.name if gauge else THIS_RUN
        raise ValueError(
            f"keep_safe is {most:g}, but {quoted(name)} is a percentile table, which knows nothing of the "
            "teacher; choose a learned gate, or set keep_safe to 0"
        )
    return gauge.promise(most)


def sureness(gauge: Gauge, k: float) -> Confidence | None:
    """How sure the threshold at k is; None at the ends and of a table that keeps no scores."""
    if not 0 < k < 100 or not merits(gauge):
        return None
    if isinstance(gauge, LearnedGate):
        return replace(gauge.confidence(k), counted="pairs")
    return confidence(gauge.scores, k)
