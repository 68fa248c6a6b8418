"""What a threshold is taken of: the scores in a percentile table, or the risks in a learned gate."""

from dataclasses import replace
from typing import Any

from ..comparison import COVERAGE
from ..quoting import quoted
from .confidence import Confidence, confidence
from .decision import QualityScores
from .judge import Judge
from .learned import LearnedGate
from .percentiles import PercentileTable
from .promise import Promise, promise
from .student import Student

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


def safe(gauge: Gauge, most: float) -> Promise:
    """What can be promised of the images that are kept: at most `most` percent would have been improved.

    ValueError for a percentile table, which knows nothing of the teacher.
    """
    if not isinstance(gauge, LearnedGate):
        raise ValueError(
            f"keep_safe is {most:g}, but {quoted(gauge.name)} is a percentile table, which knows nothing of the "
            "teacher; choose a learned gate, or set keep_safe to 0"
        )
    return promise(gauge.risks, gauge.improved, most)


def told_promise(found: Promise, pairs: int) -> str:
    """A sentence of what is promised by so many pairs, or what can be and how many more it takes."""
    if found.kept:
        return (
            f"of the images you keep, at most {found.most:g} % would have been improved: {COVERAGE:.0%} sure, for "
            f"prompts like those of the gate's {pairs} pairs, of which it sends {found.sent:.0f} % to the teacher"
        )
    least = f"the least is {found.possible:g} %" if found.possible < 100 else "nor any other share"
    more = "no number of pairs would" if found.more_pairs is None else f"it takes about {found.more_pairs} more"
    return f"{pairs} pairs cannot promise {found.most:g} %, {least}, and {more}: all images go to the teacher"


def sureness(gauge: Gauge, k: float) -> Confidence | None:
    """How sure the threshold at k is; None at the ends and of a table that keeps no scores."""
    if not 0 < k < 100 or not merits(gauge):
        return None
    if isinstance(gauge, LearnedGate):
        return replace(gauge.confidence(k), counted="pairs")
    return confidence(gauge.scores, k)
