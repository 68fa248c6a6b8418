"""What is measured of a case, and when it passes."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from graphs import Graph
from server import Packs, Refused
from teacher import REJECTED, Teacher, drawn_by_core, refined, regenerated

BAR = 1e-5
EFFECT = 1e-4
KEPT = [0, 2]
SENTENCE = re.compile(r"[A-Z][\w ]+: .+; .+")
OfK = Callable[[float], Graph]


@dataclass
class Result:
    """Differences are in standard deviations of what is compared with.

    figure: the largest difference of the images refined alone from those refined with all, or made without the pack.
    natively: that of the images regenerated alone from what KSampler draws of all.
    effect: that of the images refined with the pack from those refined without.
    ran: what of the teacher ran at k = 0.
    bits: whether accepted images left as they came.
    refused: what the user was told instead.
    wrong: what else is amiss.
    """

    figure: float | None = None
    natively: float | None = None
    effect: float | None = None
    ran: list[str] | None = None
    bits: bool | None = None
    refused: Refused | None = None
    wrong: list[str] = field(default_factory=list)

    def passed(self) -> bool:
        if self.wrong or self.ran or self.bits is False:
            return False
        if self.refused:
            return is_sentence(self.refused)
        figures = [figure for figure in (self.figure, self.natively) if figure is not None]
        return all(figure <= BAR for figure in figures) and (self.effect is None or self.effect > EFFECT)


@dataclass
class Case:
    pack: str
    name: str
    measure: Callable[[Packs], Result]


def is_sentence(refused: Refused) -> bool:
    """Whether a node of this pack names itself, the value and the fix, and does not pass on a bare KeyError."""
    return refused.by.startswith("Adaptive") and bool(SENTENCE.fullmatch(str(refused)))


def on_teacher(pack: str, name: str, teacher: Teacher, native: bool = True) -> Case:
    """A pack's nodes on the teacher. native: whether ComfyUI's own KSampler draws the same from the same seed."""
    return Case(pack, name, lambda packs: measure_teacher(packs, teacher, native))


def measure_teacher(packs: Packs, teacher: Teacher, native: bool) -> Result:
    result = Result()
    try:
        plain = packs.saved(refined(Teacher(topology=teacher.topology), 100))
        student = at_zero(packs, refined(teacher, 0), result)
        part = packs.saved(refined(teacher, 50))
        result.bits = torch.equal(part[KEPT], student[KEPT])
        whole = packs.saved(refined(teacher, 100))
        result.figure, result.effect = difference(part, whole), difference(whole, plain)
        if native:
            drawn = packs.saved(drawn_by_core(teacher))
            result.natively = difference(packs.saved(regenerated(teacher, 50)), drawn)
    except Refused as refused:
        result.refused = refused
    return result


def in_the_way(pack: str, name: str, graph: OfK, plain: OfK) -> Case:
    """A pack's nodes that change nothing: what comes out is what comes out of `plain`, or both k are refused."""
    return Case(pack, name, lambda packs: measure_way(packs, graph, plain))


def measure_way(packs: Packs, graph: OfK, plain: OfK) -> Result:
    result, usual = Result(), {k: packs.saved(plain(k)) for k in (0, 50)}
    images: dict[float, torch.Tensor] = {}
    for k in (0, 50):
        try:
            images[k] = packs.saved(graph(k)) if k else at_zero(packs, graph(k), result)
        except Refused as refused:
            worst = result.refused is not None and not is_sentence(result.refused)
            result.refused = result.refused if worst else refused
    if result.refused or [*map(len, images.values())] != [*map(len, usual.values())]:
        result.wrong = [f"{len(came)} images for {len(usual[k])} at k = {k}" for k, came in images.items()]
        return result
    kept = [row for row in range(len(usual[0])) if torch.equal(usual[0][row], usual[50][row])]
    result.wrong = [] if 0 < len(kept) < len(usual[0]) else ["without the pack's nodes, not just some images are kept"]
    result.bits = torch.equal(images[0], usual[0]) and torch.equal(images[50][kept], usual[0][kept])
    result.figure = difference(images[50], usual[50], slice(None))
    return result


def at_zero(packs: Packs, graph: Graph, result: Result) -> torch.Tensor:
    """What comes out where nothing is rejected and nothing is cached."""
    packs.forget()
    try:
        return packs.saved(graph)
    finally:
        result.ran = packs.of_teacher()


def difference(one: torch.Tensor, other: torch.Tensor, rows: list[int] | slice = REJECTED) -> float:
    """The largest of some rows, in standard deviations of all of `other`."""
    return float((one - other)[rows].abs().max() / other.std())
