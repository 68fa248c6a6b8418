"""What an image costs: student alone, teacher alone, the official steps (one at a time and batched), and this pack.

    python -m benchmarks.cost [--rounds 40] [--threads N]

All on the same models, prompts and seeds, in one process and in turns. Every round has other prompts (of the
development part). The threshold is the percentile k of the round's scores, the same for all. Evaluations of both UNets
are counted by hooks and must equal the formula. "times the official" is the median over the rounds. Memory is what
drawing adds to the loaded models, in a process of its own. An image is right if it shows exactly its caption; "± 95 %"
is of the difference from the official steps, by round.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy
import torch
from PIL import Image

from adaptive_diffusion.comparison import mean, told
from adaptive_diffusion.estimators import Estimator
from adaptive_diffusion.gate.percentiles import PercentileTable
from adaptive_diffusion.standalone import demo
from adaptive_diffusion.standalone.counting import counting
from adaptive_diffusion.standalone.oracle import grade
from adaptive_diffusion.standalone.pipeline import AdaptiveDiffusionPipeline
from adaptive_diffusion.standalone.scenes import Scene
from adaptive_diffusion.standalone.teaching import in_mode
from benchmarks.memory import apart, peak_of
from benchmarks.official import OfficialSteps, generators
from benchmarks.timing import Seconds, median, median_ratio, table, timed
from training.sampling import captions_for, evaluations

SEED = 20267
CASES = ((50, 8), (0, 8), (30, 8), (100, 8), (50, 1), (50, 32))
IMAGES, FEWER = 8, 8
OFFICIAL, OURS = "official", "ours"
WAYS = ("student alone", "teacher alone", OFFICIAL, "official, batched", OURS)
HEADER = ["k", "batch", "way", "evaluations", "processor ms", "wall ms", "times the official", "peak MiB", "right"]


class Asked(NamedTuple):
    """What one round draws."""

    scenes: list[Scene]
    seeds: list[int]

    @property
    def prompts(self) -> list[str]:
        return [scene.caption for scene in self.scenes]


class Drawn(NamedTuple):
    """evaluations: how many of the UNets that takes by the formula."""

    images: list[Image.Image]
    evaluations: int


class Measured(NamedTuple):
    """One way in one round, per image. evaluations: of the UNets. right: share of images that show their caption."""

    seconds: Seconds
    evaluations: float
    right: float


class Models:
    """A student and a teacher, and the ways to draw with them, all at the same settings (as in demo_models)."""

    def __init__(self, student: Any, teacher: Any, judge: Estimator, chosen: dict[str, Any]) -> None:
        self.student, self.teacher = student, teacher
        self.first, self.second = chosen["student"], chosen["teacher"]
        self.alone = self.second | {"steps": self.second["steps_alone"]}
        self.redrawing = in_mode(teacher, takes_image=False)
        self.adaptive = AdaptiveDiffusionPipeline(judge, student, teacher)
        steps, rollback = self.second["steps"], self.second["rollback"]
        teaching = called_with(self.second) | {"num_inference_steps": int(steps / rollback + 1), "strength": rollback}
        self.official = OfficialSteps(judge, student, teacher, called_with(self.first), teaching, chosen["size"])

    def draw(self, way: str, asked: Asked, k: float, threshold: float, batch: int) -> Drawn:
        roles = {"student alone": (self.student, self.first), "teacher alone": (self.redrawing, self.alone)}
        if way in roles:
            pipeline, role = roles[way]
            return Drawn(plain(pipeline, role, asked, batch), len(asked.seeds) * cost(role))
        if way == OURS:
            result = self.ours(asked, k, batch)
            images, rejected = result.images, len(result.decision.rejected)
        else:
            images, rejected = self.official(asked.prompts, asked.seeds, threshold, 1 if way == OFFICIAL else batch)
        return Drawn(images, len(asked.seeds) * cost(self.first) + rejected * cost(self.second))

    def ours(self, asked: Asked, k: float, batch: int) -> Any:
        return self.adaptive(
            asked.prompts,
            num_inference_steps_student=self.first["steps"],
            num_inference_steps_teacher=self.second["steps"],
            student_guidance=self.first["cfg"],
            teacher_guidance=self.second["cfg"],
            sigma=self.second["rollback"],
            k=k,
            seed=asked.seeds,
            batch_size=batch,
        )

    def threshold(self, asked: Asked, k: float) -> float:
        scores = self.ours(asked, 0, IMAGES).decision.scores
        return PercentileTable.from_scores("this run", scores.values, {}).threshold(k)


def demo_models() -> Models:
    return Models(demo.load_student(), demo.load_teacher(), demo.load_estimator(), demo.settings())


def cost(role: dict[str, Any]) -> int:
    """Evaluations of an image."""
    return evaluations(role["steps"], role["cfg"])


def called_with(role: dict[str, Any]) -> dict[str, Any]:
    return {"num_inference_steps": role["steps"], "guidance_scale": role["cfg"]}


def plain(pipeline: Any, role: dict[str, Any], asked: Asked, batch: int) -> list[Image.Image]:
    images: list[Image.Image] = []
    for first in range(0, len(asked.seeds), batch):
        rows = slice(first, first + batch)
        images += pipeline(asked.prompts[rows], generator=generators(asked.seeds[rows]), **called_with(role)).images
    return images


def questions(number: int, count: int) -> Asked:
    return Asked(*captions_for(count, SEED + number, "development"))


def watched(models: Models, way: str, asked: Asked, k: float, threshold: float, batch: int) -> tuple[Drawn, Seconds]:
    """A round and how long it took; SystemExit where the evaluations are not those of the formula."""
    made: list[Drawn] = []
    with counting(models.student.unet, models.teacher.unet) as counted:
        seconds = timed(lambda: made.append(models.draw(way, asked, k, threshold, batch)))
    [drawn] = made
    if counted.rows != drawn.evaluations:
        raise SystemExit(f"{way} took {counted.rows} evaluations, not {drawn.evaluations}")
    return drawn, seconds


def measure(models: Models, way: str, asked: Asked, k: float, threshold: float, batch: int) -> Measured:
    drawn, seconds = watched(models, way, asked, k, threshold, batch)
    pairs, count = zip(drawn.images, asked.scenes, strict=True), len(asked.seeds)
    right = numpy.mean([grade(numpy.asarray(image), scene).exact for image, scene in pairs])
    return Measured(Seconds(*(each / count for each in seconds)), drawn.evaluations / count, float(right))


def rounds(models: Models, k: float, batch: int, count: int) -> dict[str, list[Measured]]:
    """Every way in every round; the first round is not kept."""
    kept: dict[str, list[Measured]] = {way: [] for way in WAYS}
    for number in range(count + 1):
        asked = questions(number, max(IMAGES, batch))
        threshold = models.threshold(asked, k)
        for way in WAYS:
            measured = measure(models, way, asked, k, threshold, batch)
            kept[way] += [measured] * (number > 0)
    return kept


def peak(way: str, k: float, batch: int) -> float:
    """MiB that drawing one round adds."""
    torch.set_num_threads(1)
    models, asked = demo_models(), questions(0, max(IMAGES, batch))
    threshold = models.threshold(asked, k)
    return peak_of(partial(models.draw, way, asked, k, threshold, batch))


def difference(mine: list[Measured], base: list[Measured]) -> str:
    """How many more images are right, by round."""
    values = [a.right - b.right for a, b in zip(mine, base, strict=True)]
    if not any(values):
        return "equal in every round"
    return told(mean(values), "+")


def row(k: float, batch: int, way: str, kept: dict[str, list[Measured]], memory: Callable[..., float]) -> list[str]:
    mine, base = kept[way], kept[OFFICIAL]
    each = median([one.seconds for one in mine])
    times = median_ratio([one.seconds for one in mine], [one.seconds for one in base])
    right = numpy.mean([one.right for one in mine])
    return [
        f"{k:g}",
        str(batch),
        way,
        f"{numpy.mean([one.evaluations for one in mine]):.2f}",
        f"{1000 * each.processor:.1f}",
        f"{1000 * each.wall:.1f}",
        f"{times.processor:.2f} ({times.wall:.2f} wall)",
        f"{memory(peak, way, k, batch):.0f}",
        f"{right:.3f} ({difference(mine, base)})",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument(
        "--threads", type=int, default=torch.get_num_threads(), help="as many as torch takes (%(default)s)"
    )
    options = parser.parse_args()
    count = options.rounds
    torch.set_num_threads(options.threads)
    models, lines = demo_models(), []
    for k, batch in CASES:
        kept = rounds(models, k, batch, count if (k, batch) == CASES[0] else min(count, FEWER))
        lines += [row(k, batch, way, kept, apart) for way in WAYS]
    print(table(HEADER, lines))


if __name__ == "__main__":
    main()
