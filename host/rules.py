"""How each batch is judged: by hand, or by a threshold, of its scores or of the risks that a learned gate sees."""

import functools
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..adaptive_diffusion.gate.decision import GateDecision, QualityScores, decide
from ..adaptive_diffusion.gate.gauge import Gauge, measured, merits, safe
from ..adaptive_diffusion.gate.learned import LearnedGate
from ..adaptive_diffusion.gate.percentiles import THIS_RUN, PercentileTable
from ..adaptive_diffusion.gate.promise import Promise
from ..adaptive_diffusion.gate.verdicts import Verdicts
from ..adaptive_diffusion.quoting import listed, quoted
from .files.tables import gauge_path, gauges, is_gate, load_gauge


class Rule(NamedTuple):
    """How one batch is judged: by hand where `rejected` is given, else by a threshold, that of a table or gate at k or
    any. risks: those of its images, where the threshold is one. promise: what set it, in the place of k.
    """

    name: str
    rejected: tuple[int, ...] | None = None
    threshold: float = math.nan
    k: float | None = None
    table: Gauge | None = None
    risks: tuple[float, ...] = ()
    promise: Promise | None = None

    def decide(self, judged: GateDecision) -> GateDecision:
        if self.rejected is None:
            return decide(judged.scores, self.threshold, self.name, self.k, judged.student, self.risks)
        return GateDecision(judged.scores, math.nan, self.rejected, self.name, student=judged.student)


def rules_for(
    judged: Verdicts,
    table: Sequence[str],
    k: Sequence[float],
    percentile_table: Sequence[Gauge | None] = (None,),
    threshold_override: Sequence[float | None] = (None,),
    reject_indices: Sequence[str] = ("",),
    keep_safe: float = 0.0,
) -> list[Rule]:
    """How each batch is judged; a file is read once. keep_safe: for all batches, in the place of k; 0 for none."""
    groups = [decision.scores for decision in judged]

    @functools.cache
    def named(name: str) -> Gauge:
        return _of_this_run(groups) if name == THIS_RUN else load_gauge(gauge_path(name))

    promises: dict[int, Promise] = {}

    def promised(table: Gauge) -> Promise:
        promises[id(table)] = promises.get(id(table)) or safe(table, keep_safe)
        return promises[id(table)]

    def rule(scores: QualityScores, hand: Any, override: Any, link: Any, name: str, k: float) -> Rule:
        if hand is not None:
            return Rule("by hand", hand)
        if override is not None:
            return Rule("override", threshold=override, risks=_overridden(scores, link, name, named))
        table = link or named(name)
        return _at(scores, table, link.name if link else name, promised(table) if keep_safe else k)

    others = {"threshold_override": threshold_override, "percentile_table": percentile_table, "table": table, "k": k}
    spread = [judged.per_batch(values, name) for name, values in others.items()]
    return list(map(rule, groups, _by_hand(judged, reject_indices), *spread))


def _overridden(
    scores: QualityScores, link: Gauge | None, name: str, named: Callable[[str], Gauge]
) -> tuple[float, ...]:
    """The risks that a threshold of one's own is of, where a learned gate is chosen; of a table nothing is asked."""
    if isinstance(link, LearnedGate) or (link is None and is_gate(name)):
        return measured(link or named(name), scores)
    return ()


def _of_this_run(groups: Sequence[QualityScores]) -> PercentileTable:
    values = [value for group in groups for value in group.values]
    return PercentileTable.from_scores(THIS_RUN, values, groups[0].judge.settings)


def _at(scores: QualityScores, table: Gauge, name: str, k: float | Promise) -> Rule:
    """By the k-th percentile of a table or gate, which must be of these scores' estimator, or by what it promises."""
    risks = measured(table, scores)
    if isinstance(k, Promise):
        return Rule(name, threshold=k.threshold, table=table, risks=risks, promise=k)
    if name == THIS_RUN and len(merits(table)) == 1 and 0 < k < 100:
        raise ValueError(
            f"'{THIS_RUN}' has one score alone, which has no percentiles; choose a calibrated table{_fitting(scores)}"
        )
    return Rule(name, threshold=table.threshold(k), k=k, table=table, risks=risks)


def _fitting(scores: QualityScores) -> str:
    """The tables and gates that judge such scores, for the end of a sentence."""
    names = [name for name, path in gauges().items() if _fits(path, scores)]
    return f" of this estimator: {listed(names)}" if names else ", such as Calibrate makes"


def _fits(path: Path, scores: QualityScores) -> bool:
    try:
        measured(load_gauge(path), scores)
    except (OSError, ValueError):
        return False
    return True


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
