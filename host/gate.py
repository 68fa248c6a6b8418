"""What Threshold Gate finds: verdicts by a table, a learned gate, a threshold or by hand, and how they are told."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple

from ..adaptive_diffusion.gate.confidence import Confidence, reachable, shares_beside, unreachable
from ..adaptive_diffusion.gate.corrections import corrected, read_corrections
from ..adaptive_diffusion.gate.decision import GateDecision, QualityScores
from ..adaptive_diffusion.gate.gauge import Gauge, another_student, merits, sureness
from ..adaptive_diffusion.gate.percentiles import THIS_RUN, PercentileTable
from ..adaptive_diffusion.gate.promise import Promise
from ..adaptive_diffusion.gate.relative import across_prompts
from ..adaptive_diffusion.gate.running import RunningTable
from ..adaptive_diffusion.gate.student import Student, agreed
from ..adaptive_diffusion.gate.verdicts import Verdicts, common, regrouped
from ..adaptive_diffusion.quoting import quoted
from .following import follow
from .plain import numbers
from .rules import Rule, rules_for
from .shown import advice


class Verdict(NamedTuple):
    """A decision for each batch, and what is to be said of the tables they rest on."""

    decisions: list[GateDecision]
    warnings: Sequence[str] = ()
    sure: Confidence | None = None
    running: RunningTable | None = None
    promise: Promise | None = None
    promised: Sequence[str] = ()


def judge(
    scores: Sequence[Any], students: Sequence[Student | None], following: bool, corrections: str, **given: Any
) -> Verdict:
    """The verdicts on all batches. corrections: those of a person, as `read_corrections` takes them.

    given: reject_indices, threshold_override, table, percentile_table and k; of each, one value serves all batches, or
    each has its own. One reject_indices counts the images of all batches. And keep_safe, one for all.
    """
    judged = _unjudged(_groups_of(scores), students)
    found = rules_for(judged, **given)
    running = None
    if following and any(rule.table for rule in found):
        found, running = _followed(judged, found)
    by_person = read_corrections(corrections)
    decisions = [corrected(rule.decide(each), by_person) for each, rule in zip(judged, found, strict=True)]
    warnings = [*_warnings(judged, found), *_uncorrected(judged, by_person), *advice(_across_prompts(judged, found))]
    if running:
        return Verdict(decisions, warnings, running=running)
    promise, promised = common([rule.promise for rule in found]), _promised(found)
    warnings += [*_unreachable(found), *_of_single(judged, found)]
    return Verdict(decisions, warnings, _sure(judged, found), None, promise, promised)


def _groups_of(scores: Sequence[Any]) -> list[QualityScores]:
    if all(isinstance(item, QualityScores) for item in scores):
        return list(scores)
    if (values := numbers(scores)) is not None:
        return [QualityScores(tuple(map(float, values)))]
    raise ValueError("the scores are neither from Quality Score nor a list of numbers; link one of the two")


def _unjudged(groups: Sequence[QualityScores], students: Sequence[Student | None]) -> Verdicts:
    """Every batch with its student before any verdict.

    Scores that came one by one, or as one list of numbers, fall into the students' own batches where the counts fit;
    where they do not, all students must be alike.
    """
    groups = regrouped(groups, [len(student.spent) for student in students if student])
    verdicts = Verdicts(tuple(GateDecision(group, math.nan, ()) for group in groups))
    if len(students) not in (1, len(verdicts), groups[0].groups):
        student = agreed(students)
        students = [student and replace(student, seed=None, candidates=(), spent=())]
    pairs = zip(verdicts, verdicts.per_batch(students, "student"), strict=True)
    return Verdicts(tuple(replace(each, student=student) for each, student in pairs))


def _followed(judged: Verdicts, found: Sequence[Rule]) -> tuple[list[Rule], RunningTable]:
    """The rules with the threshold that started from their table and follows the scores."""
    table, k = common([rule.table for rule in found]), common([rule.k for rule in found])
    if any(rule.promise for rule in found):
        raise ValueError(
            "what is safe to keep is fixed by the gate's pairs, so that its threshold cannot follow your prompts; "
            "turn following off, or set keep_safe to 0"
        )
    if table is None or k is None:
        raise ValueError(
            "to follow your prompts, all batches are judged by one table at one k, but several came; "
            "link one of each, or turn following off"
        )
    unjudged = [rule._replace(threshold=0.0).decide(decision) for decision, rule in zip(judged, found, strict=True)]
    threshold, running = follow(unjudged, table, found[0].name, k)
    name = f"{found[0].name} (following)"
    return [rule._replace(threshold=threshold, name=name) for rule in found], running


def _warnings(judged: Verdicts, found: Sequence[Rule]) -> list[str]:
    pairs = [(rule.table, each.student) for rule, each in zip(found, judged, strict=True) if rule.table]
    return list(dict.fromkeys(told for table, student in pairs for told in warnings_of(table, [student])))


def _uncorrected(judged: Verdicts, by_person: Mapping[str, bool]) -> list[str]:
    if not by_person or all(decision.scores.digests for decision in judged):
        return []
    return ["corrections belong to images, which numbers alone do not know; link Quality Score's scores to use them"]


def _across_prompts(judged: Verdicts, found: Sequence[Rule]) -> list[str]:
    """What is to be said of percentiles over several prompts, of batches that one decides on."""
    global_ones = [isinstance(rule.table, PercentileTable) and rule.k not in (0, 100) for rule in found]
    every = zip(judged, found, global_ones, strict=True)
    pairs = [(each.scores, rule.name == THIS_RUN) for each, rule, is_global in every if is_global]
    own, others = ([scores for scores, of_run in pairs if of_run is wanted] for wanted in (True, False))
    return [*across_prompts(own, True), *across_prompts(others, False)]


def _unreachable(found: Sequence[Rule]) -> list[str]:
    """A sentence for each k that equal scores keep from being had. This run's scores are counted, others estimated."""
    told = []
    for table, k in {(id(rule.table), rule.k): (rule.table, rule.k) for rule in found}.values():
        if table and merits(table) and k and k < 100:
            shares = (shares_beside if table.name == THIS_RUN else reachable)(merits(table), k)
            told += [unreachable(k, shares)] if shares else []
    return list(dict.fromkeys(told))


def _of_single(judged: Verdicts, found: Sequence[Rule]) -> list[str]:
    """A sentence for each table of single drawings whose k does not count for what is kept of several."""
    told = []
    for decision, rule in zip(judged, found, strict=True):
        share = _share(decision.student, rule)
        if share != rule.k and rule.table:
            few = "of what is drawn until it passes, fewer"
            kept = few if share is None else f"of what Best of N keeps, about {share:.3g} %"
            told.append(
                f"table {quoted(rule.table.name)} is of single drawings: {kept} lie under its threshold at "
                f"k {rule.k:g}; '{THIS_RUN}' and following your prompts keep k"
            )
    return list(dict.fromkeys(told))


def _share(student: Student | None, rule: Rule) -> float | None:
    """The percentage of a student's images under the rule's threshold, where a calibrated table gives it at k; None
    where it is not known.
    """
    if student is None or rule.k in (None, 0, 100) or not isinstance(rule.table, PercentileTable):
        return rule.k
    if rule.name == THIS_RUN:
        return rule.k
    return student.share_under(rule.k) if student.share_is_known else None


def _sure(judged: Verdicts, found: Sequence[Rule]) -> Confidence | None:
    """How sure the threshold is, where all batches have one of a calibrated table or gate."""
    table, k = common([rule.table for rule in found]), common([rule.k for rule in found])
    sure = None if table is None or k is None or table.name == THIS_RUN else sureness(table, k)
    student = common([decision.student for decision in judged])
    if sure is None or student is None or not isinstance(table, PercentileTable):
        return sure
    if not student.share_is_known:
        return None
    low, high = map(student.share_under, sure.rejected)
    return replace(sure, rejected=(low, high))


def _promised(found: Sequence[Rule]) -> list[str]:
    return list(dict.fromkeys(str(rule.promise) for rule in found if rule.promise))


def warnings_of(table: Gauge, students: Sequence[Student | None]) -> list[str]:
    """A sentence for each way in which a table or gate was made with another student."""
    told = [sentence for student in students if student for sentence in another_student(table, student)]
    return list(dict.fromkeys(told))


def summary(verdict: Verdict) -> str:
    rejected = sum(len(decision.rejected) for decision in verdict.decisions)
    images = sum(map(len, verdict.decisions))
    threshold = threshold_of(verdict)
    side = "over a risk of" if any(decision.risks for decision in verdict.decisions) else "under"
    under = f" {side} {threshold:.3f}" if math.isfinite(threshold) else ""
    sure = f", {verdict.sure}" if verdict.sure else ""
    hands = sum(len(decision.corrected) for decision in verdict.decisions)
    corrections = f", {hands} of the verdicts corrected" if hands else ""
    follows = [str(verdict.running)] if verdict.running else []
    told = [*follows, *verdict.promised, *verdict.warnings]
    return "\n".join([f"{rejected} of {images} rejected{under}{sure}{corrections}", *told])


def threshold_of(verdict: Verdict) -> float:
    """The threshold of all batches; NaN where there is none, or several."""
    threshold = common([decision.threshold for decision in verdict.decisions])
    return math.nan if threshold is None else threshold


def payload(verdict: Verdict) -> dict[str, Any]:
    """What a headless client reads from /history: see README, "Verdicts through the API"."""
    decisions = verdict.decisions
    return {
        "estimator": decisions[0].scores.estimator,
        "table": ", ".join(dict.fromkeys(decision.table for decision in decisions)),
        "k": common([decision.k for decision in decisions]),
        "threshold": _told(threshold_of(verdict)),
        "confidence": _told_sure(verdict.sure),
        "following": verdict.running and verdict.running.told,
        "scores": [list(decision.scores.values) for decision in decisions],
        "rejected": [list(decision.rejected) for decision in decisions],
        "prompts": [list(decision.scores.prompts) for decision in decisions],
        "warnings": list(verdict.warnings),
        "risks": [list(decision.risks) for decision in decisions],
        "promise": _told_promise(verdict),
        "digests": [list(decision.scores.digests) for decision in decisions],
        "corrected": [list(decision.corrected) for decision in decisions],
    }


def _told(score: float) -> float | None:
    """JSON has no infinite numbers."""
    return score if math.isfinite(score) else None


def _told_promise(verdict: Verdict) -> dict[str, Any] | None:
    """What all batches were promised: percents, and the sentence."""
    if not (found := verdict.promise):
        return None
    return {
        "asked": found.most,
        "kept": found.kept,
        "sent": found.sent,
        "possible": found.possible,
        "more_pairs": found.more_pairs,
        "sentence": verdict.promised[0],
    }


def _told_sure(sure: Confidence | None) -> dict[str, Any] | None:
    return {**asdict(sure), "threshold": [_told(end) for end in sure.threshold]} if sure else None
