"""Drawing units of a run into its shards, in this process."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..prompts import seeds_of
from ..standalone.generation import records
from ..standalone.pipeline import AdaptiveDiffusionPipeline
from ..standalone.runs import Record, png
from .sharded import ShardedRun


def draw_unit(
    pipeline: AdaptiveDiffusionPipeline, run: ShardedRun, unit: int, prompts: Sequence[str], settings: Mapping[str, Any]
) -> list[Record]:
    """Draw and keep a unit; its records.

    prompts: those of this unit. settings: what else the pipeline is called with.
    ValueError where it cannot be drawn or kept.
    """
    rows = run.units[unit]
    seeds = seeds_of(run.about["prompts"]["seed"], range(rows.start, rows.stop))
    result = pipeline(prompts, seed=seeds, **settings)
    kept = records(result, rows.start)
    run.put(unit, kept, [png(image) for image in result.images])
    return kept
