"""Drawing units by models in this process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..gate.outcome import ACCEPTED
from ..prompts import seeds_of
from ..standalone.generation import records
from ..standalone.pipeline import AdaptiveDiffusionPipeline
from ..standalone.reading import cut_by, read_whole
from ..standalone.runs import Record, png
from .drawing import Drawn


@dataclass(frozen=True)
class WithPipeline:
    """Drawing by models in this process. seed: of picture 0. settings: what else the pipeline is called with."""

    pipeline: AdaptiveDiffusionPipeline
    seed: int
    settings: Mapping[str, Any]

    def draw(self, prompts: Sequence[str], rows: slice) -> Drawn:
        seeds = seeds_of(self.seed, range(rows.start, rows.stop))
        result = self.pipeline(prompts, seed=seeds, **self.settings)
        return records(result, rows.start), [png(image) for image in result.images]

    def cut(self, prompts: Sequence[str], kept: Sequence[Record]) -> list[list[str]]:
        student, texts = self.pipeline.student, [*prompts, self.settings.get("negative_prompt") or ""]
        found = [cut_by("the student", student, texts), self.pipeline.estimator.cut(prompts)]
        if any(record["verdict"] != ACCEPTED for record in kept):
            found.append(cut_by("the teacher", self.pipeline.teacher, read_whole(student, texts)))
        return found
