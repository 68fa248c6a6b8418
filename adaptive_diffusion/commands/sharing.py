"""A run that several processes draw: shares of its units, or Ray's workers."""

import argparse
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from ..numeric import IMAGES
from .libraries import needing
from .options import among, share
from .reading import warn_of_cut

if TYPE_CHECKING:
    from ..scale.drawing import Make, Progress
    from ..scale.sharded import ShardedRun


def add_sharing(parser: argparse.ArgumentParser) -> None:
    """How a run is cut, and who draws its parts."""
    parser.add_argument(
        "--shard",
        type=share,
        metavar="I/N",
        help="draw every N-th unit into a file of its own, so that N processes or machines draw one run in one place, "
        "which may be such as s3://bucket/run; `collect` makes a run's folder of it",
    )
    parser.add_argument(
        "--cluster",
        nargs="?",
        const="local",
        metavar="ADDRESS",
        help="draw shards with Ray: on this machine, or on the cluster of an address (pip install '.[cluster]')",
    )
    parser.add_argument(
        "--workers", type=among(IMAGES), metavar="N", help="of the cluster (one for each GPU, else for each processor)"
    )
    parser.add_argument(
        "--unit",
        type=among(IMAGES),
        metavar="N",
        help="images drawn and kept together: a larger one fills the teacher's batches better, and loses more when it "
        "is stopped (64)",
    )


def draw_shards(chosen: argparse.Namespace, about: Mapping[str, Any], prompts: Sequence[str], make: "Make") -> str:
    """Draw the units that are not there yet, of this process's share or of all on a cluster; a sentence on the run.

    about: as `sharded.opened` takes it. make: loads what draws.
    """
    run, units = begun(chosen, about, prompts)
    if units and chosen.cluster:
        finish(run, units, on_cluster(chosen, run, units, prompts, make))
    elif units:
        finish(run, units, _one_by_one(run, units, prompts, make))
    return summary(run, units)


def begun(
    chosen: argparse.Namespace, about: Mapping[str, Any], prompts: Sequence[str]
) -> "tuple[ShardedRun, list[int]]":
    """The run in --out, and which of its units are still to be drawn here; see `draw_shards`."""
    with needing("cluster"):
        from ..scale.sharded import opened
        from ..scale.stores import open_store

    run = opened(open_store(chosen.out), about, prompts, chosen.unit)
    return run, run.missing(chosen.shard or (1, 1))


def _one_by_one(run: "ShardedRun", units: Sequence[int], prompts: Sequence[str], make: "Make") -> "Iterator[Progress]":
    """Draw in this process. What fails ends it."""
    from ..scale.drawing import draw_unit, progress_of

    drawer = make()
    for unit in units:
        yield progress_of(unit, draw_unit(drawer, run, unit, prompts[run.units[unit]]))


def on_cluster(
    chosen: argparse.Namespace, run: "ShardedRun", units: Sequence[int], prompts: Sequence[str], make: "Make"
) -> "Iterator[Progress]":
    """Draw with Ray."""
    with needing("cluster"):
        from ..scale import cluster

    with cluster.connected(chosen.cluster, chosen.workers) as workers:
        yield from cluster.draw(cluster.Work(run, make), units, prompts, workers)


def finish(run: "ShardedRun", units: Sequence[int], drawn: "Iterable[Progress]") -> None:
    """Show how far it is, and what the workers tell. ValueError where units are left that can be drawn again."""
    from tqdm import tqdm

    from ..scale.drawing import check

    told: list[Progress] = []
    with tqdm(total=run.count(units), unit="image", disable=None) as bar:
        for progress in drawn:
            told.append(progress)
            bar.set_postfix(rejected=sum(each.rejected for each in told), refresh=False)
            bar.update(progress.images)
    _tell(told)
    check(told, run)


def _tell(told: "Sequence[Progress]") -> None:
    """The warnings of all workers, each once."""
    for sentence in dict.fromkeys(sentence for each in told for sentence in each.told):
        warnings.warn(sentence, stacklevel=2)
    for sentences in zip_longest(*(each.cut for each in told), fillvalue=()):
        warn_of_cut([*dict.fromkeys(sentence for part in sentences for sentence in part)])


def summary(run: "ShardedRun", units: Sequence[int]) -> str:
    """What came of these units, and what is still missing of the run."""
    missing, failed = run.missing(), run.failed()
    drawn = run.count(units) - run.count({*units} & {*missing, *failed})
    of_failed = f", {run.count(failed)} have failed" if failed else ""
    return (
        f"{drawn} images were drawn; {run.count(missing)} of {run.total} are still missing{of_failed} in "
        f"{run.store.place}"
    )
