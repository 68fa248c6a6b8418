"""A pipeline's percentile table: the one in a file where it fits, else made of many prompts and kept there."""

import itertools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..files import rename, writing
from ..gate.calibration import Found, Task, calibrate
from ..gate.judge import Judge
from ..gate.percentiles import PercentileTable
from ..gate.student import Student
from ..numeric import GUIDANCE, IMAGES, SEED, SIDE, STEPS
from ..prompts import every_prompt, prompt_seeds
from ..quoting import quoted, unquoted
from .drawing import NETWORKS, Pipeline
from .identity import pipeline_name, student_of
from .noise import check_reproducible
from .settings import check_plain, path_of

SIZE = ("height", "width")
RANGES = {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE, "height": SIDE, "width": SIDE}
CALLED = ("num_inference_steps_student", "student_guidance", *SIZE)


@dataclass(frozen=True)
class Calibration:
    """What `AdaptiveDiffusionPipeline.calc_score_percentiles` is asked for.

    settings: those of the student that are given, as the pipeline is called with them.
    """

    path: Path
    prompts: Path | None
    count: int
    batch: int
    seed: int
    settings: Mapping[str, Any]

    def table(self, pipeline: Any, usual: Mapping[str, Any]) -> PercentileTable:
        """The table in the file where it fits a pipeline's estimator and student, else one that is made now.

        usual: the settings where none are given. ValueError where the file is no table, or none can be made.
        """
        told = self._misfits(pipeline) if self._is_there() else [f"there is no table {quoted(self.path)}"]
        return self._made(pipeline, {**usual, **self.settings}, told[0]) if told else PercentileTable.load(self.path)

    def _is_there(self) -> bool:
        with writing(self.path):
            there = self.path.exists()
        if there and not self.path.is_file():
            raise ValueError(f"{quoted(self.path)} is a folder; name a file in it, such as percentiles.json")
        return there

    def _misfits(self, pipeline: Any) -> list[str]:
        """A sentence where the table is of another estimator or, as far as is known, of another student."""
        table, judge = PercentileTable.load(self.path), Judge.of(pipeline.estimator)
        unequal = Judge.read(table.estimator).unequal(judge) if table.estimator else {}
        told = [f"estimator {name} {quoted(now)} instead of {quoted(was)}" for name, (was, now) in unequal.items()]
        told += [f"student {phrase}" for phrase in table.differences(_student(pipeline.student, self.settings))]
        return [f"table {quoted(self.path)} was made with others: {unquoted(', '.join(told))}"] if told else []

    def _made(self, pipeline: Any, settings: Mapping[str, Any], why: str) -> PercentileTable:
        if self.prompts is None:
            raise ValueError(f"{why}, and no prompts to make one of; give prompts_path")
        prompts = every_prompt(self.prompts)[: self.count]
        judge, student = Judge.of(pipeline.estimator), _student(pipeline.student, settings)
        task = Task(judge.settings, student, prompts, self.seed, self.batch)
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            self._keep_aside(why)
        return calibrate(self.path, task, partial(drawn_scores, pipeline, task, settings), lambda scores: None)

    def _keep_aside(self, why: str) -> None:
        names = (self.path.with_stem(f"{self.path.stem} before {number}") for number in itertools.count(1))
        aside = next(name for name in names if not name.exists())
        rename(self.path, aside)
        warnings.warn(f"{why}; it is kept as {quoted(aside.name)}, and a new one is made", stacklevel=5)


def asked(
    path: Any, prompts: Any, count: Any, batch: Any, seed: Any, settings: Sequence[Any], negative: str | None
) -> Calibration:
    """The calibration of what a person gave; ValueError where a number is out of its range.

    settings: values for RANGES, None for what is not given.
    """
    given = zip(CALLED, RANGES.items(), settings, strict=True)
    checked = {called: each.of(name, value) for called, (name, each), value in given if value is not None}
    check_plain("negative_prompt", negative or "")
    avoided = {} if negative is None else {"negative_prompt": negative}
    numbers = (IMAGES.of("n_samples", count), IMAGES.of("b_size", batch), SEED.of("seed", seed))
    texts = None if prompts is None else path_of("prompts_path", prompts)
    return Calibration(path_of("file_path", path), texts, *numbers, checked | avoided)


def drawn_scores(pipeline: Any, task: Task, settings: Mapping[str, Any], starts: Sequence[int]) -> Iterator[Found]:
    """The scores of the student's images in the batches that begin with these prompts.

    pipeline: an `AdaptiveDiffusionPipeline`. settings: what else it is called with. ValueError where the student's
    images could not be drawn again.
    """
    check_reproducible(pipeline.student, "student")
    seeds = prompt_seeds(task.seed, len(task.prompts))
    for first in starts:
        rows = slice(first, first + task.batch)
        result = pipeline(task.prompts[rows], seed=seeds[rows], k=0, batch_size=task.batch, **settings)
        yield first, {"scores": result.decision.scores.values}


def usual_size(pipeline: Pipeline) -> dict[str, int]:
    """The height and width, in pixels, that a pipeline of diffusers draws where none is asked; {} where not known."""
    network = next((found for name in NETWORKS if (found := getattr(pipeline, name, None)) is not None), None)
    cells = getattr(pipeline, "default_sample_size", None) or getattr(network, "config", {}).get("sample_size")
    factor = getattr(pipeline, "vae_scale_factor", None)
    sides = cells if isinstance(cells, (list, tuple)) else (cells, cells)
    return dict(zip(SIZE, (side * factor for side in sides), strict=True)) if cells and factor else {}


def _student(pipeline: Pipeline, settings: Mapping[str, Any]) -> Student:
    """The student that a pipeline of diffusers is in these settings, as far as they are given."""
    name, dtype = pipeline_name(pipeline), str(pipeline.dtype).removeprefix("torch.")
    steps, guidance, height, width = map(settings.get, CALLED)
    return student_of(name, dtype, steps, guidance, width, height, settings.get("negative_prompt"))
