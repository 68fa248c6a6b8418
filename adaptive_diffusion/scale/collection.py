"""What a sharded run drew, put together: a run's folder of images, or data sets that others load."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..prompts import described
from ..quoting import listed, quoted
from ..standalone import runs
from .sharded import ShardedRun
from .shards import Shard


def check_whole(run: ShardedRun) -> None:
    """ValueError unless every unit was drawn or is recorded as failed."""
    if missing := run.missing():
        raise ValueError(
            f"{run.count(missing)} of the {run.total} images in {quoted(run.store.place)} are not drawn yet (units "
            f"{listed(missing)}); give the command that draws them again"
        )


def shards(run: ShardedRun) -> Iterator[Shard]:
    """Those that were drawn, in the prompts' order; see `check_prompts`, before the last one, where none has failed."""
    failed, prompts = {*run.failed()}, list[str]()
    for unit in range(len(run.units)):
        if unit not in failed:
            shard = run.read(unit)
            prompts += prompts_of(shard.records)
            if len(prompts) == run.total:
                check_prompts(run, prompts)
            yield shard


def check_prompts(run: ShardedRun, prompts: Sequence[str]) -> None:
    """ValueError where the prompts of all units are not the run's, as where a unit is of a run of other prompts."""
    if described(prompts, run.about["prompts"]["seed"]) != run.about["prompts"]:
        raise ValueError(
            f"the units in {quoted(run.store.place)} hold other prompts than its run: a file of another run is among "
            "them; delete what was put there, draw it again and collect into a new place"
        )


def prompts_of(records: Sequence[runs.Record]) -> list[str]:
    return [record["prompt"] for record in records]


def into_folder(run: ShardedRun, folder: Path) -> Iterator[int]:
    """Put the images and records into the folder of a run, as `generate` without shards leaves it; yields how many.

    It goes on where it was stopped. ValueError where a unit is missing, failed or damaged, or another run is there.
    """
    check_whole(run)
    if failed := run.failed():
        raise ValueError(
            f"the units {listed(failed)} of {quoted(run.store.place)} have failed; collect the others with --to, or "
            "delete the files of that name that end in .failed.json and draw them again"
        )
    about = {**run.about, "format": runs.FORMAT, "version": runs.VERSION}
    with runs.opened(folder, about, [], run.about["unit"]) as kept:
        for rows in kept.units:
            shard = run.read(rows.start // run.about["unit"])
            if rows.stop == run.total:
                check_prompts(run, prompts_of([*kept.records[: rows.start], *shard.records]))
            yield len(kept.add(shard.pictures, list(shard.records)))
