"""Drawing units of a run into its shards, in this process."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..standalone.generation import records
from ..standalone.pipeline import AdaptiveDiffusionPipeline
from ..standalone.runs import Record, png
from .sharded import ShardedRun


def draw_unit(
    pipeline: AdaptiveDiffusionPipeline,
    run: ShardedRun,
    unit: int,
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: Mapping[str, Any],
) -> list[Record]:
    """Draw and keep a unit, whose prompts and seeds these are; its records. settings: as `generation.generate` has."""
    result = pipeline(prompts, seed=seeds, **settings)
    kept = records(result, run.units[unit].start)
    run.put(unit, kept, [png(image) for image in result.images])
    return kept


def draw_units(
    pipeline: AdaptiveDiffusionPipeline,
    run: ShardedRun,
    units: Iterable[int],
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: Mapping[str, Any],
) -> Iterator[list[Record]]:
    """Draw these units, one after the other, of all prompts and seeds of the run; the records of each once it is kept."""
    for unit in units:
        rows = run.units[unit]
        yield draw_unit(pipeline, run, unit, prompts[rows], seeds[rows], settings)
