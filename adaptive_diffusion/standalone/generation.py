"""Drawing what a run lacks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..report import record
from .pipeline import AdaptiveDiffusionPipeline, AdaptiveResult
from .runs import Record, Run, image_name, png


def generate(
    pipeline: AdaptiveDiffusionPipeline,
    run: Run,
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: Mapping[str, Any],
) -> Iterator[Sequence[Record]]:
    """Draw what the run misses, unit by unit; yields the records of the images of each once they are on disk.

    settings: what else the pipeline is called with. The rejected images of a unit are the teacher's together, so that
    its batches are nearly full.
    """
    for rows in run.units:
        result = pipeline(prompts[rows], seed=seeds[rows], **settings)
        yield run.add([*map(png, result.images)], records(result, rows.start))


def records(result: AdaptiveResult, first: int) -> list[Record]:
    """What is kept of each image: as AdaptiveReport's record, with what it took and its file."""
    entries = record(result.decision, result.seeds, first=first)
    return [
        {**entry, "seconds": round(seconds, 4), "image": image_name(entry["index"])}
        for entry, seconds in zip(entries, result.seconds, strict=True)
    ]
