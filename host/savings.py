"""What a run saved, from ComfyUI's graph and clock: for this run, and since the server started."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from ..adaptive_diffusion.gate.cost import Spent
from ..adaptive_diffusion.gate.decision import GateDecision
from ..adaptive_diffusion.gate.savings import Bill, Expense
from .clock import running_clock
from .graph import ancestors, behind, class_of, sources
from .shown import show

EVENT = "adaptive_diffusion.savings"
GATE, MERGE, SCORE = "AdaptiveThresholdGate", "AdaptiveMerge", "AdaptiveQualityScore"
OWN = frozenset({GATE, MERGE, SCORE, "AdaptiveReport", "AdaptiveSplit", "AdaptiveRollbackByScore"})
"""Nodes that neither the student nor the teacher alone would need."""

_since = Bill()


class Sides(NamedTuple):
    """The nodes around a gate, by who needs them; see Bill."""

    gate: str
    student: frozenset[str]
    judging: frozenset[str]
    teacher: frozenset[str]
    loading: frozenset[str]

    def bill(self, decisions: Sequence[GateDecision], seconds: Mapping[str, float], nodes: Collection[str]) -> Bill:
        """What ran, which are the nodes in `seconds`; images count with what drew them. nodes: the teachers that do."""

        def took(side: Collection[str], evaluations: float | None = 0.0) -> Expense:
            return Expense(sum(seconds.get(name, 0.0) for name in side), evaluations)

        drew, redrew = not self.student.isdisjoint(seconds), not self.teacher.isdisjoint(seconds)
        return Bill(
            sum(map(len, decisions)) if drew else 0,
            sum(len(decision.rejected) for decision in decisions) if redrew else 0,
            took(self.student, _of_student(decisions) if drew else 0.0),
            took(self.judging),
            took(self.teacher, _of_teacher(decisions, nodes) if redrew else 0.0),
            took(self.loading).seconds,
        )


def since_start() -> dict[str, Any]:
    """What all runs took since ComfyUI started, of those that a Merge or a Report saw the end of; see `Bill.told`."""
    return _since.told(_since)


def tell_savings(hidden: Any, decisions: Sequence[GateDecision], inputs: Collection[str]) -> dict[str, Any] | None:
    """Count what ran up to the node with these hidden inputs, which is behind a gate by its `decision` and by `inputs`,
    and show it on the gate: what `run` and `since` took, and the gate's id. Every node counts once in a prompt.

    None where no first gate is found. `run` is None where the student's images came from a cache.
    """
    global _since
    nodes = behind(hidden, ["decision", *inputs])
    sides = None if nodes is None else _sides(hidden.dynprompt, str(hidden.unique_id), nodes, decisions)
    if nodes is None or sides is None:
        return None
    clock = running_clock()
    fresh = {name: taken for name, taken in clock.seconds.items() if name not in clock.counted}
    _since += sides.bill(decisions, fresh, nodes)
    clock.counted.update(fresh)
    run = sides.bill(decisions, clock.seconds, nodes)
    told = {"gate": sides.gate, "run": run.told(_since) if run.images else None, "since": since_start()}
    show(hidden, EVENT, told)
    return told


def _sides(graph: Any, node: str, behind_it: Collection[str], decisions: Sequence[GateDecision]) -> Sides | None:
    gate = _gate_of(graph, node)
    if gate is None:
        return None
    before = ancestors(graph, [gate])
    if any(class_of(graph, name) == GATE for name in before):
        return None
    scores = [name for name in before if class_of(graph, name) == SCORE]
    pictures = [source for name in scores for source in sources(graph, name, ["images"])]
    student = ancestors(graph, pictures) | set(pictures) if pictures else before
    rest = {*behind_it} - before - {gate} if any(decision.any_rejected for decision in decisions) else set()
    own = {name for name in rest if class_of(graph, name) in OWN}
    teacher = {name for name in rest - own if gate in ancestors(graph, [name])}
    judging = before - student | own | {gate}
    return Sides(gate, *map(frozenset, (student, judging, teacher, rest - own - teacher)))


def _gate_of(graph: Any, node: str) -> str | None:
    """The gate whose decision reaches a node, also through merges that hand it on."""
    for source in sources(graph, node, ["decision"]):
        if class_of(graph, source) == GATE:
            return source
        return _gate_of(graph, source) if class_of(graph, source) == MERGE else None
    return None


def _of_student(decisions: Sequence[GateDecision]) -> float | None:
    return _counted(
        decision.student and decision.student.took(number) for decision in decisions for number in decision.scores.rows
    )


def _of_teacher(decisions: Sequence[GateDecision], nodes: Collection[str]) -> float | None:
    return _counted(decision.outcomes[i].paid(nodes) for decision in decisions for i in decision.rejected)


def _counted(spent: Any) -> float | None:
    """The evaluations of all; None where one of them is not known."""
    found: list[Spent | None] = list(spent)
    counts = [each.evaluations for each in found if each is not None]
    total = sum(counts)
    return total if len(counts) == len(found) and total == total else None
