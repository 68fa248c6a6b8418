"""The method on diffusers pipelines: the student draws all images, the teacher improves the rejected ones."""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline

from ..estimators import Estimator
from ..estimators.base import read_in_batches
from ..estimators.one_by_one import OneImage, as_estimator
from ..gate.cost import Spent
from ..gate.decision import GateDecision, QualityScores, decide
from ..gate.gauge import Gauge, another_student, another_teacher, measured, safe
from ..gate.learned import LearnedGate
from ..gate.outcome import kept_instead
from ..gate.percentiles import THIS_RUN, PercentileTable
from ..gate.promise import Promise
from ..gate.relative import across_prompts
from ..gate.ways import REFINE
from ..quoting import quoted
from . import calibrating
from .drawing import Drawn, Pipeline, draw
from .identity import pipeline_name, student_of
from .improved import TEACHER, channels_last, check_student, put_back
from .result import AdaptiveResult, result_of
from .settings import (
    RANGES,
    check_pipeline,
    check_plain,
    guidance_of,
    numbers_of,
    of_pipeline,
    path_of,
    prompts_of,
    seeds_of,
)
from .teaching import Teaching

STUDENT_STEPS = 4
Hold = Callable[[GateDecision, Drawn, Sequence[int]], None]


@dataclass(frozen=True)
class Plan:
    """A run's settings, checked. drawing: what the student's pipeline is called with; teaching: how the teacher is.

    promise: what sets the threshold, in the place of k.
    """

    prompts: list[str]
    seeds: tuple[int, ...]
    drawing: dict[str, Any]
    teaching: Teaching
    k: float
    gauge: Gauge | None
    promise: Promise | None
    batch_size: int
    hold: Hold | None

    def threshold(self, gauge: Gauge) -> tuple[float, float | None]:
        """The threshold, and the k that it is of; None where a promise sets it."""
        return (self.promise.threshold, None) if self.promise else (gauge.threshold(self.k), self.k)


@dataclass(frozen=True)
class Begun:
    """What the student made of a run, and the verdicts on it. seconds: that an image took."""

    plan: Plan
    drawn: Drawn
    decision: GateDecision
    seconds: float


class AdaptiveDiffusionPipeline:
    """Student, estimator and teacher as one text-to-image pipeline (arXiv 2312.10835, Algorithm 1).

    estimator: see `estimators.Estimator`, or any object with score(prompt, image), such as the package image-reward's.
    student: any text-to-image pipeline of diffusers. teacher: any pipeline with an image-to-image form, or a function
    without arguments that returns one, called when an image is rejected for the first time; None serves where k is 0.
    gate: a learned gate, which judges in the place of percentiles.
    A teacher whose VAE is the student's, weight for weight, starts from its latents (if diffusers' image-to-image takes
    latents of so many channels), any other one from its float pixels. What it returns is brought to the student's size.
    """

    def __init__(
        self,
        estimator: Estimator | OneImage,
        student: Pipeline,
        teacher: Pipeline | Callable[[], Pipeline] | None,
        gate: LearnedGate | None = None,
    ):
        self.estimator = as_estimator(estimator)
        self.student = student
        self.gate = gate
        self.table: PercentileTable | None = None
        self._teacher = teacher

    @property
    def teacher(self) -> Pipeline:
        """The teacher, loaded now if it was given as a function."""
        if self._teacher is not None and not isinstance(self._teacher, DiffusionPipeline):
            self._teacher = self._teacher()
            check_pipeline("teacher", self._teacher)
        return self._teacher

    def load_score_percentiles(self, path: str | Path) -> None:
        """Use the percentile table in this file for every run that is given none; ValueError if it is no table."""
        self.table = PercentileTable.load(path_of("path", path))

    def calc_score_percentiles(
        self,
        file_path: str | Path,
        num_inference_steps: int | None = None,
        prompts_path: str | Path | None = None,
        n_samples: int = 500,
        b_size: int = 8,
        guidance_scale: float | None = None,
        num_inference_steps_student: int | None = None,
        negative_prompt: str | None = None,
        height: int | None = None,
        width: int | None = None,
        seed: int = 0,
    ) -> None:
        """Use the percentile table in this file for every run, made now unless it is there and fits.

        It fits where it is of this estimator, and of this student in the settings that are given; one that does not is
        kept beside it. It is made of the first `n_samples` prompts in the column `caption` of the file `prompts_path`,
        prompt i drawn with seed + i, `b_size` at a time, in the size and with the settings that a call without them
        has. Stopped, it goes on when called again. num_inference_steps_student: the same as num_inference_steps.
        ValueError where the file is no table, or none can be made.
        """
        steps = num_inference_steps_student if num_inference_steps is None else num_inference_steps
        settings = (steps, guidance_scale, height, width)
        asked = calibrating.asked(file_path, prompts_path, n_samples, b_size, seed, settings, negative_prompt)
        usual = {"num_inference_steps_student": STUDENT_STEPS, "student_guidance": guidance_of(self.student, None)}
        alone = AdaptiveDiffusionPipeline(self.estimator, self.student, None)
        self.table = asked.table(alone, usual | calibrating.usual_size(self.student))

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | Sequence[str],
        num_inference_steps_student: int = STUDENT_STEPS,
        num_inference_steps_teacher: int = 12,
        student_guidance: float | None = None,
        teacher_guidance: float = 8.0,
        sigma: float = 0.7,
        k: float = 50,
        seed: int | Sequence[int] = 0,
        table: Gauge | None = None,
        strategy: str = REFINE,
        negative_prompt: str | None = None,
        height: int | None = None,
        width: int | None = None,
        batch_size: int = 8,
        rollback_scale: str | None = None,
        keep_safe: float = 0.0,
        hold: Hold | None = None,
    ) -> AdaptiveResult:
        """Draw one image per prompt and improve the worst `k` percent; ValueError for bad input or a broken student.

        student_guidance: without one, what suits the student's kind, see `settings.guidance_of`.
        sigma: where "refine" starts. "regenerate" starts from the student's own noise.
        rollback_scale: what sigma counts in, one of `rollback.SCALES`; the teacher's steps run as in Teacher Refine.
            Without one, it is a fraction of the time axis: the last of int(steps / sigma + 1), as officially.
        seed: one per prompt, or the first one's and the others count up. Neighbours do not change an image.
        table: what the threshold is taken of, else the pipeline's own gate or table, or else this run's scores.
        keep_safe: with a learned gate, in the place of k: of the images that are kept, at most this percentage would
            have been improved, 95 % sure, for prompts like those it was fitted to; 0 for k.
        hold: what keeps the rejected images for another time, in the place of the teacher; see `holding.Holding`.
        """
        prompts = prompts_of(prompt)
        seeds = seeds_of(seed, len(prompts))
        student = (num_inference_steps_student, guidance_of(self.student, student_guidance))
        numbers = (*student, num_inference_steps_teacher, teacher_guidance, sigma, k, height, width, batch_size)
        asked = numbers_of(dict(zip(RANGES, (*numbers, keep_safe), strict=True)))
        gauge = _gauge(table, self.gate, self.table)
        plan = _planned(prompts, seeds, asked, strategy, rollback_scale, negative_prompt, gauge, hold)
        return self._run(self._checked(plan))

    def _checked(self, plan: Plan) -> Plan:
        """The plan; ValueError where it needs a teacher or a table that is not there."""
        check_pipeline("student", self.student)
        if self._teacher is not None:
            check_pipeline("teacher", self._teacher)
        name, share = ("keep_safe", plan.promise.most) if plan.promise else ("k", plan.k)
        if share > 0 and self._teacher is None and plan.hold is None:
            raise ValueError(f"{name} is {share:g}, but there is no teacher; give one, or choose {name}=0")
        if plan.gauge is not None:
            plan.gauge.threshold(plan.k)
        elif len(plan.prompts) == 1 and 0 < plan.k < 100:
            raise ValueError("one image alone has no percentiles; give a table, or choose k=0 or k=100")
        return plan

    def _run(self, plan: Plan) -> AdaptiveResult:
        return self.finish(self.begin(plan))

    def begin(self, plan: Plan) -> Begun:
        """The student's and the estimator's part of a run; ValueError for a broken student."""
        begun, count = time.perf_counter(), len(plan.prompts)
        drawn = draw(self.student, plan.prompts, plan.seeds, plan.batch_size, plan.drawing)
        check_student(drawn, plan.prompts)
        _tell_steps("student", self.student, drawn.steps, plan.drawing["num_inference_steps"])
        decision = self._judge(drawn, plan)
        return Begun(plan, drawn, decision, (time.perf_counter() - begun) / count)

    def finish(self, begun: Begun) -> AdaptiveResult:
        """The teacher's part of a run, which may have begun elsewhere. Of the student, only the VAE is needed."""
        plan, drawn, decision = begun.plan, begun.drawn, begun.decision
        pixels = finals = channels_last(drawn.pixels)
        seconds = [begun.seconds] * len(plan.prompts)
        if plan.hold and decision.any_rejected:
            decision = _held(plan.hold, decision, drawn, plan.seeds)
        elif decision.any_rejected:
            teacher, since = self.teacher, time.perf_counter()
            improved = self._improve(teacher, drawn, decision, plan)
            _tell_steps("teacher", teacher, improved.steps, plan.teaching.steps)
            finals, decision = put_back(decision, pixels, improved, plan.teaching.steps)
            each = (time.perf_counter() - since) / len(decision.rejected)
            seconds = [own + each * (i in decision.rejected) for i, own in enumerate(seconds)]
            if any(map(decision.failed, decision.rejected)):
                warnings.warn(kept_instead("some images"), stacklevel=4)
        own = drawn.spent(plan.drawing["num_inference_steps"])
        spent = [one + (outcome.paid() or Spent(0, 0)) for one, outcome in zip(own, decision.outcomes, strict=True)]
        costs = (tuple(each.steps for each in spent), tuple(seconds), tuple(each.evaluations for each in spent))
        return result_of(finals, pixels, decision, plan.seeds, *costs, plan.promise)

    def _judge(self, drawn: Drawn, plan: Plan) -> GateDecision:
        judge = self.estimator
        reading = read_in_batches(judge, channels_last(drawn.pixels), plan.prompts, plan.batch_size)
        scores = QualityScores.read_by(judge, reading, prompts=tuple(plan.prompts))
        gauge = plan.gauge or PercentileTable.from_scores(THIS_RUN, scores.values, scores.judge.settings)
        height, width = drawn.pixels.shape[2:]
        steps, guidance = plan.drawing["num_inference_steps"], plan.drawing["guidance_scale"]
        name, dtype = pipeline_name(self.student), str(self.student.dtype).removeprefix("torch.")
        student = student_of(name, dtype, steps, guidance, width, height, plan.drawing["negative_prompt"])
        student = replace(student, spent=drawn.spent(steps))
        risks = measured(gauge, scores)
        told = across_prompts([scores], plan.gauge is None) if 0 < plan.k < 100 and not risks else []
        told += [str(plan.promise)] if plan.promise and not plan.promise.kept else []
        for sentence in [*another_student(gauge, student), *another_teacher(gauge, plan.teaching.identity), *told]:
            warnings.warn(sentence, stacklevel=5)
        threshold, k = plan.threshold(gauge)
        return decide(scores, threshold, gauge.name, k, student, risks)

    def _improve(self, teacher: Pipeline, drawn: Drawn, decision: GateDecision, plan: Plan) -> Drawn:
        """What the teacher makes of the rejected images, in their order."""
        prompts = [plan.prompts[i] for i in decision.rejected]
        seeds = [plan.seeds[i] for i in decision.rejected]
        return plan.teaching.improve(teacher, self.student, drawn.at(decision.rejected), prompts, seeds)


def _gauge(*given: Any) -> Gauge | None:
    """The first of these that is given; ValueError where it is no table and no gate."""
    gauge = next((each for each in given if each is not None), None)
    if isinstance(gauge, PercentileTable | LearnedGate | None):
        return gauge
    raise ValueError(f"the table is {quoted(gauge)}; give a PercentileTable or a LearnedGate, such as load() reads")


def _planned(
    prompts: list[str],
    seeds: tuple[int, ...],
    asked: dict[str, Any],
    strategy: str,
    scale: str | None,
    negative_prompt: str | None,
    gauge: Gauge | None,
    hold: Hold | None,
) -> Plan:
    """asked: what `settings.numbers_of` gives."""
    check_plain("negative_prompt", negative_prompt or "")
    if hold is not None and not callable(hold):
        raise ValueError(f"hold is {quoted(hold)}; give a Holding of a HeldFolder and the student")
    drawing = of_pipeline(asked["num_inference_steps_student"], asked["student_guidance"], negative_prompt)
    drawing |= {"height": asked["height"], "width": asked["width"]}
    steps, guidance = asked["num_inference_steps_teacher"], asked["teacher_guidance"]
    teaching = Teaching.of(strategy, steps, guidance, negative_prompt, asked["sigma"], scale, asked["batch_size"])
    promise = safe(gauge, asked["keep_safe"]) if asked["keep_safe"] else None
    return Plan(prompts, seeds, drawing, teaching, asked["k"], gauge, promise, asked["batch_size"], hold)


def _held(hold: Hold, decision: GateDecision, drawn: Drawn, seeds: Sequence[int]) -> GateDecision:
    """The decision once its rejected images are held: no teacher took anything for them, and none was taken."""
    hold(decision, drawn.at(decision.rejected), seeds)
    for position in decision.rejected:
        decision.bills[position][TEACHER] = Spent(0, 0)
    return replace(decision, taken=())


def _tell_steps(role: str, pipeline: Pipeline, run: int, asked: int) -> None:
    """A warning where another number of steps ran than were asked for; 0 stands for a number that nobody saw."""
    if run not in (0, asked):
        name = type(pipeline.scheduler).__name__
        warnings.warn(f"the {role}'s {name} ran {run} steps where {asked} were asked for", stacklevel=5)
