"""What Threshold Gate finds: verdicts by a table, by a threshold or by hand, and how they are told."""

import functools
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple

from ..adaptive_diffusion.gate.confidence import Confidence, confidence, reachable, shares_beside, unreachable
from ..adaptive_diffusion.gate.decision import GateDecision, QualityScores, decide
from ..adaptive_diffusion.gate.percentiles import PercentileTable
from ..adaptive_diffusion.gate.relative import across_prompts
from ..adaptive_diffusion.gate.running import RunningTable
from ..adaptive_diffusion.gate.student import Student, agreed
from ..adaptive_diffusion.gate.verdicts import Verdicts, common, regrouped
from ..adaptive_diffusion.quoting import quoted
from .files.tables import THIS_RUN, table_path
from .following import follow
from .plain import numbers
from .shown import advice


class Verdict(NamedTuple):
    """A decision for each batch, and what is to be said of the tables they rest on."""

    decisions: list[GateDecision]
    warnings: Sequence[str] = ()
    sure: Confidence | None = None
    running: RunningTable | None = None


class Rule(NamedTuple):
    """How one batch is judged: by hand where `rejected` is given, else by a threshold, that of a table at k or any."""

    name: str
    rejected: tuple[int, ...] | None = None
    threshold: float = math.nan
    k: float | None = None
    table: PercentileTable | None = None


def judge(
    scores: Sequence[Any], students: Sequence[Student | None], following: bool, **rules: Sequence[Any]
) -> Verdict:
    """The verdicts on all batches.

    rules: reject_indices, threshold_override, table, percentile_table and k; of each, one value serves all batches, or
    each has its own. One reject_indices counts the images of all batches.
    """
    judged = _unjudged(_groups_of(scores), students)
    found = _rules(judged, **rules)
    running = None
    if following and any(rule.table for rule in found):
        found, running = _followed(judged, found)
    decisions = [_decided(decision, rule) for decision, rule in zip(judged, found, strict=True)]
    warnings = [*_warnings(judged, found), *advice(_across_prompts(judged, found))]
    if running:
        return Verdict(decisions, warnings, running=running)
    return Verdict(decisions, [*warnings, *_unreachable(found), *_of_single(judged, found)], _sure(judged, found))


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


def _by_hand(judged: Verdicts, texts: Sequence[str]) -> list[tuple[int, ...] | None]:
    """The images that each batch's text rejects; None where it says nothing."""
    if len(texts) == 1 and texts[0].strip():
        chosen, numbers = _numbers(texts[0], judged.images), iter(range(judged.images))
        return [tuple(i for i in range(len(decision)) if next(numbers) in chosen) for decision in judged]
    spread = zip(judged, judged.per_batch(texts, "reject_indices"), strict=True)
    return [tuple(sorted(_numbers(text, len(each)))) if text.strip() else None for each, text in spread]


def _numbers(text: str, total: int) -> set[int]:
    if not re.fullmatch(r"\s*\d{1,9}([,\s]+\d{1,9})*\s*", text):
        raise ValueError(f"reject_indices is {quoted(text)}; write image numbers such as 0, 3")
    chosen = {int(number) for number in re.findall(r"\d+", text)}
    if max(chosen) >= total:
        raise ValueError(f"reject_indices names image {max(chosen)}, but there are {total}; the first one is 0")
    return chosen


def _rules(
    judged: Verdicts,
    table: Sequence[str],
    k: Sequence[float],
    percentile_table: Sequence[PercentileTable | None] = (None,),
    threshold_override: Sequence[float | None] = (None,),
    reject_indices: Sequence[str] = ("",),
) -> list[Rule]:
    """How each batch is judged; a table's file is read once."""
    groups = [decision.scores for decision in judged]

    @functools.cache
    def named(name: str) -> PercentileTable:
        return _of_this_run(groups) if name == THIS_RUN else PercentileTable.load(table_path(name))

    def rule(scores: QualityScores, hand: Any, override: Any, link: Any, name: str, k: float) -> Rule:
        if hand is not None:
            return Rule("by hand", hand)
        return Rule("override", threshold=override) if override is not None else _at(scores, link or named(name), k)

    others = {"threshold_override": threshold_override, "percentile_table": percentile_table, "table": table, "k": k}
    spread = [judged.per_batch(values, name) for name, values in others.items()]
    return list(map(rule, groups, _by_hand(judged, reject_indices), *spread))


def _of_this_run(groups: Sequence[QualityScores]) -> PercentileTable:
    values = [value for group in groups for value in group.values]
    return PercentileTable.from_scores(THIS_RUN, values, groups[0].judge.settings)


def _at(scores: QualityScores, table: PercentileTable, k: float) -> Rule:
    """By the k-th percentile of a table, which must be of these scores' estimator."""
    table.check_estimator(scores.judge)
    if table.name == THIS_RUN and len(table.scores) == 1 and 0 < k < 100:
        raise ValueError(f"'{THIS_RUN}' has one score alone, which has no percentiles; choose a calibrated table")
    return Rule(table.name, threshold=table.threshold(k), k=k, table=table)


def _followed(judged: Verdicts, rules: Sequence[Rule]) -> tuple[list[Rule], RunningTable]:
    """The rules with the threshold that started from their table and follows the scores."""
    table, k = common([rule.table for rule in rules]), common([rule.k for rule in rules])
    if table is None or k is None:
        raise ValueError(
            "to follow your prompts, all batches are judged by one table at one k, but several came; "
            "link one of each, or turn following off"
        )
    groups, students = [decision.scores for decision in judged], [decision.student for decision in judged]
    threshold, running = follow(groups, table, k, students)
    name = f"{table.name} (following)"
    return [rule._replace(threshold=threshold, name=name) for rule in rules], running


def _decided(judged: GateDecision, rule: Rule) -> GateDecision:
    if rule.rejected is None:
        return decide(judged.scores, rule.threshold, rule.name, rule.k, judged.student)
    return GateDecision(judged.scores, math.nan, rule.rejected, rule.name, student=judged.student)


def _warnings(judged: Verdicts, rules: Sequence[Rule]) -> list[str]:
    pairs = [(rule.table, each.student) for rule, each in zip(rules, judged, strict=True) if rule.table]
    return list(dict.fromkeys(told for table, student in pairs for told in warnings_of(table, [student])))


def _across_prompts(judged: Verdicts, rules: Sequence[Rule]) -> list[str]:
    """What is to be said of percentiles over several prompts, of batches that one decides on."""
    tables = [rule.table if rule.k not in (0, 100) else None for rule in rules]
    pairs = [(each.scores, table.name == THIS_RUN) for each, table in zip(judged, tables, strict=True) if table]
    own, others = ([scores for scores, of_run in pairs if of_run is wanted] for wanted in (True, False))
    return [*across_prompts(own, True), *across_prompts(others, False)]


def _unreachable(rules: Sequence[Rule]) -> list[str]:
    """A sentence for each k that equal scores keep from being had. This run's scores are counted, others estimated."""
    told = []
    for table, k in {(id(rule.table), rule.k): (rule.table, rule.k) for rule in rules}.values():
        if table and table.scores and k and k < 100:
            shares = (shares_beside if table.name == THIS_RUN else reachable)(table.scores, k)
            told += [unreachable(k, shares)] if shares else []
    return list(dict.fromkeys(told))


def _of_single(judged: Verdicts, rules: Sequence[Rule]) -> list[str]:
    """A sentence for each table of single drawings whose k does not count for what Best of N keeps."""
    told = []
    for decision, rule in zip(judged, rules, strict=True):
        share = _share(decision.student, rule)
        if share != rule.k and rule.table and share is not None:
            told.append(
                f"table {quoted(rule.table.name)} is of single drawings: of what Best of N keeps, about {share:.3g} % "
                f"lie under its threshold at k {rule.k:g}; '{THIS_RUN}' and following your prompts keep k"
            )
    return list(dict.fromkeys(told))


def _share(student: Student | None, rule: Rule) -> float | None:
    """The percentage of a student's images under the rule's threshold, where a calibrated table gives it at k."""
    if student is None or rule.table is None or rule.k is None or rule.table.name == THIS_RUN:
        return rule.k
    return student.share_under(rule.k)


def _sure(judged: Verdicts, rules: Sequence[Rule]) -> Confidence | None:
    """How sure the threshold is, where all batches have one of a calibrated table."""
    table, k = common([rule.table for rule in rules]), common([rule.k for rule in rules])
    if table is None or k is None or table.name == THIS_RUN or not table.scores or not 0 < k < 100:
        return None
    sure, student = confidence(table.scores, k), common([decision.student for decision in judged])
    if student is None:
        return sure
    low, high = map(student.share_under, sure.rejected)
    return replace(sure, rejected=(low, high))


def warnings_of(table: PercentileTable, students: Sequence[Student | None]) -> list[str]:
    """A sentence for each way in which a table was made with another student."""
    told = [table.differences(student) for student in students if student]
    phrases = dict.fromkeys(", ".join(differences) for differences in told if differences)
    return [f"table {quoted(table.name)} was made with another student: {phrase}" for phrase in phrases]


def summary(verdict: Verdict) -> str:
    rejected = sum(len(decision.rejected) for decision in verdict.decisions)
    images = sum(map(len, verdict.decisions))
    threshold = threshold_of(verdict)
    under = f" under {threshold:.3f}" if math.isfinite(threshold) else ""
    sure = f", {verdict.sure}" if verdict.sure else ""
    follows = [str(verdict.running)] if verdict.running else []
    return "\n".join([f"{rejected} of {images} rejected{under}{sure}", *follows, *verdict.warnings])


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
    }


def _told(score: float) -> float | None:
    """JSON has no infinite numbers."""
    return score if math.isfinite(score) else None


def _told_sure(sure: Confidence | None) -> dict[str, Any] | None:
    return {**asdict(sure), "threshold": [_told(end) for end in sure.threshold]} if sure else None
