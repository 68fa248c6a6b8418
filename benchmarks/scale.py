"""What many GPUs make of many prompts, by a discrete-event simulation, and whether it foretells one real machine.

    python -m benchmarks.scale [--minutes 60] [--student 0.55] [--teacher 1.9] [--load 20] [--driver 0.008]
    python -m benchmarks.scale --check [--prompts 192]

The table's numbers are efficiencies: the seconds that all images take in full batches, over the seconds of all GPUs
until the last image is there. One that holds both models draws units whole; split ones hold one model each, in pools of
the size that `adaptive_diffusion.scale.roles` says, and change by its rule. --check measures the demo models on this
machine, simulates one GPU with these seconds, draws for real, and prints how far both lie apart.

What is assumed: an image's seconds are the same for all prompts; an image is rejected with probability p, each by
itself; a batch of b images of 8 costs as much as a whole one times f + (1 - f) b / 8; a unit's seconds vary by a normal
factor; GPUs begin together with empty memory; one driver hands units out, one at a time, each for so many of its
seconds; writing a unit, reading it for the teacher, and what is sent between machines, cost nothing; nothing fails.
"""

import argparse
import heapq
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from adaptive_diffusion.parts import parts
from adaptive_diffusion.scale.roles import OTHER, STUDENT, TEACHER, next_role, teachers
from benchmarks.timing import table

GPUS = (1, 8, 64, 256, 1000)
UNITS = (8, 32, 64)
SHARE, WRONG = 0.5, 0.3
BOTH = "both"


@dataclass(frozen=True)
class Costs:
    """Seconds: of an image with each model in full batches, of loading a model, of the driver for each unit.

    fixed: the part of a batch's cost that does not depend on its size. spread: of a unit's seconds, relative.
    share: p, of the images that are rejected.
    """

    student: float = 0.55
    teacher: float = 1.9
    load: float = 20.0
    driver: float = 0.008
    batch: int = 8
    fixed: float = 0.5
    spread: float = 0.03
    share: float = SHARE

    @property
    def image(self) -> float:
        """Seconds that an image takes on average, in full batches."""
        return self.student + self.share * self.teacher

    def of(self, images: int, each: float) -> float:
        """Seconds of so many images that are drawn together, of which one takes `each` in full batches."""
        sizes = [rows.stop - rows.start for rows in parts(images, self.batch)]
        return sum(each * self.batch * (self.fixed + (1 - self.fixed) * size / self.batch) for size in sizes)


@dataclass(frozen=True)
class Plan:
    """teachers: how many GPUs hold the teacher at the start; None where all hold both. changes: whether roles may."""

    teachers: int | None = None
    changes: bool = False


class Simulation:
    """GPUs that draw units until none is left; `seconds` is when the last one ended."""

    def __init__(self, gpus: int, units: int, unit: int, plan: Plan, costs: Costs, seed: int = 0):
        self.costs, self.unit, self.plan = costs, unit, plan
        self.random = random.Random(seed)
        self.units = units
        self.rejected: list[float] = []
        self.waiting = 0.0
        self.driver_free = self.seconds = 0.0
        split = plan.teachers or 0
        self.roles = [TEACHER] * split + [BOTH if plan.teachers is None else STUDENT] * (gpus - split)
        loading = costs.load * (2 if plan.teachers is None else 1)
        # When, which GPU, and how many seconds of a teacher's work it leaves.
        self.events = [(loading, gpu, 0.0) for gpu in range(gpus)]
        self.idle: set[int] = set()
        self.images = self.drawn_again = 0
        while self.events:
            self._ended(*heapq.heappop(self.events))

    def _ended(self, now: float, gpu: int, taught: float) -> None:
        """A GPU has nothing in its hands any more; what it drew waits for so many seconds of a teacher's."""
        if taught:
            self.rejected.append(taught)
            self.waiting += taught
            self._wake(now)
        self._next(now, gpu)

    def _wake(self, now: float) -> None:
        for gpu in [gpu for gpu in sorted(self.idle) if self.roles[gpu] == TEACHER][: len(self.rejected)]:
            self._next(now, gpu)

    def _next(self, now: float, gpu: int) -> None:
        if self.plan.changes and self._changed(now, gpu):
            return
        if self.roles[gpu] == TEACHER and self.rejected:
            taught = self.rejected.pop()
            self.waiting -= taught
            self._begin(now, gpu, taught, 0)
        elif self.roles[gpu] != TEACHER and self.units:
            self.units -= 1
            rejected = sum(self.random.random() < self.costs.share for _ in range(self.unit))
            self.images, self.drawn_again = self.images + self.unit, self.drawn_again + rejected
            own = self.costs.of(self.unit, self.costs.student)
            taught = self.costs.of(rejected, self.costs.teacher)
            both = self.roles[gpu] == BOTH
            self._begin(now, gpu, own + taught if both else own, 0 if both else taught)
        else:
            self.idle.add(gpu)

    def _changed(self, now: float, gpu: int) -> bool:
        """Whether it loads the other model now."""
        role = self.roles[gpu]
        waiting = {STUDENT: self.units * self.costs.of(self.unit, self.costs.student), TEACHER: self.waiting}
        workers = {each: self.roles.count(each) for each in OTHER}
        share = self.drawn_again / self.images if self.images else 0.0
        wanted = teachers(len(self.roles), share, self.costs.student, self.costs.teacher) if share else workers[TEACHER]
        if next_role(role, waiting, workers, self.costs.load, wanted) == role:
            return False
        self.roles[gpu] = OTHER[role]
        self.idle.discard(gpu)
        heapq.heappush(self.events, (now + self.costs.load, gpu, 0.0))
        return True

    def _begin(self, now: float, gpu: int, seconds: float, taught: float) -> None:
        self.idle.discard(gpu)
        self.driver_free = max(now, self.driver_free) + self.costs.driver
        end = self.driver_free + seconds * max(0.5, self.random.gauss(1, self.costs.spread))
        self.seconds = max(self.seconds, end)
        heapq.heappush(self.events, (end, gpu, taught))


def efficiency(gpus: int, minutes: float, unit: int, plan: Plan, costs: Costs) -> float:
    """The seconds that the images take in full batches, over those of all GPUs; each has so many minutes of work."""
    units = max(1, round(gpus * minutes * 60 / (unit * costs.image)))
    return units * unit * costs.image / (gpus * Simulation(gpus, units, unit, plan, costs).seconds)


def plans(gpus: int, costs: Costs) -> Iterator[tuple[str, int, Plan]]:
    """What is compared: a name, the unit and the plan."""
    for unit in UNITS:
        yield f"both models, unit {unit}", unit, Plan()
    known, wrong = (teachers(max(2, gpus), share, costs.student, costs.teacher) for share in (costs.share, WRONG))
    yield "split, p known", UNITS[-1], Plan(known)
    yield f"split for p {WRONG}, true {costs.share:g}", UNITS[-1], Plan(wrong)
    yield "the same, roles changed", UNITS[-1], Plan(wrong, True)


def efficiencies(minutes: float, costs: Costs) -> list[list[str]]:
    rows = []
    for gpus in GPUS:
        cells = [
            "-" if gpus == 1 and plan.teachers else f"{efficiency(gpus, minutes, unit, plan, costs):.3f}"
            for _, unit, plan in plans(gpus, costs)
        ]
        rows.append([f"{gpus:,}", *cells])
    return rows


def conditions(costs: Costs) -> list[list[str]]:
    """At 1,000 GPUs with both models and unit 64: the efficiency, and its part of one GPU's with the same work."""
    rows = []
    for minutes in (2, 10, 20, 60):
        for driver in (0.008, 0.08):
            each = replace(costs, driver=driver)
            many, one = (efficiency(gpus, minutes, UNITS[-1], Plan(), each) for gpus in (GPUS[-1], 1))
            units = minutes * 60 / (UNITS[-1] * costs.image)
            rows.append([f"{minutes}", f"{units:.0f}", f"{1000 * driver:g} ms", f"{many:.3f}", f"{many / one:.3f}"])
    return rows


def measured(count: int) -> tuple[Costs, float, float, int]:
    """The demo models on this machine: their costs, and a real run's seconds of processor, its rejects and units."""
    from adaptive_diffusion.gate.percentiles import PercentileTable
    from adaptive_diffusion.standalone import demo, models
    from adaptive_diffusion.standalone.pipeline import AdaptiveDiffusionPipeline
    from tests.graphs import demo_prompts

    begun = time.process_time()
    student, teacher = (
        models.load_student(models.DEMO, "cpu", "float32"),
        models.load_teacher(models.DEMO, "cpu", "float32"),
    )
    pipeline = AdaptiveDiffusionPipeline(demo.load_estimator(), student, teacher)
    loading = time.process_time() - begun
    own = demo.settings()
    settings = {
        **{"num_inference_steps_student": own["student"]["steps"], "student_guidance": own["student"]["cfg"]},
        **{"num_inference_steps_teacher": own["teacher"]["steps"], "teacher_guidance": own["teacher"]["cfg"]},
        **{"sigma": own["teacher"]["rollback"], "batch_size": 8},
    }
    prompts, gauge = demo_prompts(count), models.load_table("Demo")

    def seconds(images: int, k: float, table: PercentileTable | None = None, start: int = 0) -> tuple[float, int]:
        begun = time.process_time()
        rows = range(start, start + images)
        result = pipeline([prompts[i] for i in rows], seed=[*rows], k=k, table=table, **settings)
        return time.process_time() - begun, len(result.decision.rejected)

    seconds(8, 100)
    own_of = {images: min(seconds(images, 0)[0] for _ in range(5)) for images in (4, 8)}
    all_of = {images: min(seconds(images, 100)[0] for _ in range(5)) for images in (4, 8)}
    taught = {images: all_of[images] - own_of[images] for images in (4, 8)}
    fixed = max(0.0, min(1.0, 2 * (own_of[4] + taught[4]) / (own_of[8] + taught[8]) - 1))
    real = [seconds(UNITS[-1], 50, gauge, start) for start in range(0, count, UNITS[-1])]
    share = sum(rejected for _, rejected in real) / count
    costs = Costs(own_of[8] / 8, taught[8] / 8, loading / 2, 0.0, 8, fixed, 0.0, share)
    return costs, loading + sum(each for each, _ in real), share, len(real)


def check(count: int) -> None:
    costs, real, share, units = measured(count // UNITS[-1] * UNITS[-1])
    told = Simulation(1, units, UNITS[-1], Plan(), costs).seconds
    print(
        f"student {1000 * costs.student:.1f} ms, teacher {1000 * costs.teacher:.1f} ms an image; a load "
        f"{costs.load:.2f} s; fixed part of a batch {costs.fixed:.2f}; p {share:.2f}"
    )
    print(f"{units} units of {UNITS[-1]}: {real:.2f} s of processor, simulated {told:.2f} s ({told / real - 1:+.1%})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60, help="of work a GPU (%(default)g)")
    for name in ("student", "teacher", "load", "driver", "fixed", "share"):
        parser.add_argument(f"--{name}", type=float, default=getattr(Costs, name))
    parser.add_argument("--check", action="store_true", help="against this machine")
    parser.add_argument("--prompts", type=int, default=192, help="drawn by --check (%(default)d)")
    options = parser.parse_args()
    if options.check:
        return check(options.prompts)
    costs = Costs(*(getattr(options, name) for name in ("student", "teacher", "load", "driver")))
    costs = replace(costs, fixed=options.fixed, share=options.share)
    print(table(["GPUs", *(name for name, _, _ in plans(8, costs))], efficiencies(options.minutes, costs)))
    print(table(["minutes a GPU", "units a GPU", "driver a unit", "efficiency", "of one GPU's"], conditions(costs)))


if __name__ == "__main__":
    main()
