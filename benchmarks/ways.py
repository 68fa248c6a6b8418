"""The ways in which benchmarks.quality draws every image, and which of them are judged."""

from typing import NamedTuple

from training.sampling import evaluations

REPLICATES = 3
LONG = 12


class Way(NamedTuple):
    """How every image is drawn. drawer: "student", "ddim", "unipc" or "refine", what the student drew refined."""

    drawer: str
    steps: int
    cfg: float = 1.0

    @property
    def evaluations(self) -> int:
        """Model evaluations of one image, the student's before refining left out."""
        return evaluations(self.steps, self.cfg)

    @property
    def replicates(self) -> int:
        """How many noise seeds each caption gets; long drawings one, to save time."""
        return REPLICATES if self.steps <= LONG else 1


class Plan(NamedTuple):
    """What is drawn with three noise seeds from number `first` on, what of it is scored, and what is judged.

    strategies: the ways to improve, whose curves over k are shown and judged, by name.
    """

    first: int
    ways: list["Way"]
    scored: list["Way"]
    judged: list["Comparison"]
    strategies: dict[str, "Way"]


class Comparison(NamedTuple):
    """At k, with the teacher's `improved` images, against the teacher at these steps by its CFG."""

    name: str
    improved: Way
    k: int
    steps: dict[float, int]


TEACHER, SHORTER, REFINER = 8, 5, 2.0
STUDENT, REFINED, REDRAWN = Way("student", 1), Way("refine", TEACHER, REFINER), Way("unipc", TEACHER, REFINER)
REFINED_SHORTER = Way("refine", SHORTER, REFINER)
STRATEGIES = {"refining": REFINED, "regenerating": REDRAWN, f"refining in {SHORTER} steps": REFINED_SHORTER}
OF_SIX, OF_TEN = {1.0: 6, 2.0: 3, 3.0: 3}, {1.0: 9, 2.0: 5, 3.0: 5}
JUDGED = [
    Comparison(name, STRATEGIES[name], k, steps)
    for name in ("refining", "regenerating")
    for k, steps in ((30, OF_SIX), (50, OF_TEN))
]
MENDED = Comparison(f"refining in {SHORTER} steps", REFINED_SHORTER, 50, OF_SIX)
RIVALS = (("ddim", 1.0), ("unipc", 1.0), ("ddim", 2.0), ("unipc", 2.0), ("ddim", 3.0))
SCORED = [STUDENT, REFINED, REDRAWN, REFINED_SHORTER]
FIRST = [*SCORED, *[Way(drawer, steps[cfg], cfg) for steps in (OF_SIX, OF_TEN) for drawer, cfg in RIVALS]]
OTHERS = [
    *[Way("student", steps) for steps in (2, 4, 8)],
    *[Way("refine", steps, REFINER) for steps in (1, 2, 4)],
    *[Way("ddim", steps, 2.0) for steps in (1, 2, 4, 6, 8, 12)],
    *[Way("ddim", steps) for steps in (1, 2, 3, 4, 12)],
    *[Way("ddim", steps, 2.0) for steps in (20, 30, 50)],
]
WAYS = list(dict.fromkeys([*FIRST, *OTHERS]))
FULL = Plan(0, WAYS, SCORED, [*JUDGED, MENDED], STRATEGIES)

OF_FOUR = {1.0: 4, 2.0: 2, 3.0: 2}
JUDGED_AGAIN = [Comparison("refining", REFINED_SHORTER, k, steps) for k, steps in ((30, OF_FOUR), (50, OF_SIX))]
RIVALS_AGAIN = [Way(drawer, steps[cfg], cfg) for steps in (OF_FOUR, OF_SIX) for drawer, cfg in RIVALS]
SCORED_AGAIN = [STUDENT, REFINED_SHORTER]
AGAIN = Plan(REPLICATES, [*SCORED_AGAIN, *RIVALS_AGAIN], SCORED_AGAIN, JUDGED_AGAIN, {"refining": REFINED_SHORTER})
