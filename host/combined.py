"""Several estimators as one: the value of a QUALITY_ESTIMATOR link that asks those behind other such links."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import NamedTuple

import numpy
import torch

from ..adaptive_diffusion.digest import digest
from ..adaptive_diffusion.estimators.base import Reading
from ..adaptive_diffusion.estimators.vlm.answers import checks_in, names_of
from ..adaptive_diffusion.gate.combining import combine
from ..adaptive_diffusion.gate.percentiles import PercentileTable
from ..adaptive_diffusion.quoting import quoted
from .hosted import Hosted


class Part(NamedTuple):
    """One of them. judge: what an estimator's link holds. table: its own, which its percentiles are taken from."""

    judge: Hosted
    table: PercentileTable
    weight: float

    def check(self) -> None:
        """ValueError where the table is another estimator's, or tells no percentile of every score."""
        self.table.check_estimator(self.judge.described)
        if len(self.table.scores) < 2:
            raise ValueError(
                f"table {quoted(self.table.name)} keeps no raw scores, so that most scores have no percentile in it; "
                f"make one with Calibrate for {self.judge.described.name}"
            )


class _Described:
    """What `estimators.Estimator` tells of itself, of all together."""

    max_tokens = 0

    def __init__(self, parts: Sequence[Part], low: float, high: float):
        each = [part.judge.estimator for part in parts]
        self.name = " + ".join(f"{part.weight:g} {one.name}" for part, one in zip(parts, each, strict=True))
        self.dtype = " + ".join(dict.fromkeys(one.dtype for one in each))
        settings = [[asdict(part.judge.described), part.weight, digest(part.table.scores)] for part in parts]
        self.weights = digest([settings, low, high])
        self.uses_prompt = any(one.uses_prompt for one in each)
        self.relative = any(one.relative for one in each)
        self.answering = next((i for i, one in enumerate(each) if checks_in(one.feature_names)), 0)
        answers = names_of(checks_in(each[self.answering].feature_names)[1:]) if self.answering else ""
        self.feature_names = "; ".join(filter(None, [each[0].feature_names, answers]))
        self._each = each

    def cut(self, prompts: Sequence[str]) -> list[str]:
        return [sentence for one in self._each for sentence in one.cut(prompts)]


class CombinedEstimator(Hosted):
    """Several hosted estimators. asked: how many images came to each so far, by its place."""

    def __init__(self, parts: Sequence[Part], low: float, high: float):
        """low, high: percentiles between which the mean so far leaves a verdict open; see `combining.combine`."""
        for part in parts:
            part.check()
        self.parts, self.low, self.high = list(parts), low, high
        self.estimator = _Described(parts, low, high)
        self.asked: Counter[int] = Counter()

    def read(self, images: torch.Tensor, prompts: Sequence[str]) -> Reading:
        """The combined scores, 0..100. Features: those of the first, then answers to questions."""
        readings: dict[int, Reading] = {}

        def percentiles(number: int, wanted: list[int]) -> numpy.ndarray:
            part, every = self.parts[number], len(wanted) == len(images)
            texts = [prompts[i] for i in wanted] if len(prompts) > 1 else prompts
            readings[number] = part.judge.read(images if every else images[wanted], texts)
            return part.table.percentiles_of(readings[number].scores.tolist())

        weights = [part.weight for part in self.parts]
        found = combine(len(images), weights, self.low, self.high, percentiles)
        self.asked.update({number: len(wanted) for number, wanted in enumerate(found.asked)})
        return Reading(torch.from_numpy(found.scores), self._features(readings, found.asked))

    def _features(self, readings: dict[int, Reading], asked: Sequence[list[int]]) -> torch.Tensor:
        """(B, F); the answers on an image that was not asked about are 0."""
        first, number = readings[0].features, self.estimator.answering
        if not number:
            return first
        answers = torch.zeros(len(first), len(checks_in(self.estimator.feature_names)))
        if number in readings:
            answers[asked[number]] = readings[number].features[:, -answers.shape[1] :]
        return torch.cat([first, answers], 1)

    def told(self, before: Counter[int]) -> list[str]:
        """What was spared since so many images had come to each."""
        now = self.asked - before
        names = [part.judge.described.name for part in self.parts]
        return [
            f"{names[number]} was asked about {now[number]} of {now[0]} images: {now[0] - now[number]} spared"
            for number in range(1, len(names))
        ]
