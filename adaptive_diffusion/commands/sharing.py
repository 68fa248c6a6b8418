"""A run that several processes draw: shares of its units, or Ray's workers."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..numeric import IMAGES
from .libraries import needing
from .options import among, share

if TYPE_CHECKING:
    from ..scale.sharded import ShardedRun
    from ..standalone.pipeline import AdaptiveDiffusionPipeline


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


def draw_shards(
    chosen: argparse.Namespace,
    about: Mapping[str, Any],
    prompts: Sequence[str],
    make: "Callable[[], AdaptiveDiffusionPipeline]",
    settings: Mapping[str, Any],
) -> str:
    """Draw the units that are not there yet, of this process's share or of all on a cluster; a sentence on the run.

    about: as `sharded.opened` takes it. make: loads the models. settings: what else the pipeline is called with.
    """
    with needing("cluster"):
        from ..scale.sharded import opened
        from ..scale.stores import open_store

    run = opened(open_store(chosen.out), about, prompts, chosen.unit)
    units = run.missing(chosen.shard or (1, 1))
    if units:
        how = _draw_on_cluster if chosen.cluster else _draw_share
        how(chosen, run, units, prompts, make, settings)
    return _told(run, units)


def _draw_share(
    _chosen: argparse.Namespace,
    run: "ShardedRun",
    units: Sequence[int],
    prompts: Sequence[str],
    make: "Callable[[], AdaptiveDiffusionPipeline]",
    settings: Mapping[str, Any],
) -> None:
    from tqdm import tqdm

    from ..scale.drawing import draw_unit

    pipeline = make()
    with tqdm(total=run.count(units), unit="image", disable=None) as bar:
        for unit in units:
            bar.update(len(draw_unit(pipeline, run, unit, prompts[run.units[unit]], settings)))


def _draw_on_cluster(
    chosen: argparse.Namespace,
    run: "ShardedRun",
    units: Sequence[int],
    prompts: Sequence[str],
    make: "Callable[[], AdaptiveDiffusionPipeline]",
    settings: Mapping[str, Any],
) -> None:
    from tqdm import tqdm

    with needing("cluster"):
        from ..scale import cluster

    told, work = [], cluster.Work(run, make, settings)
    total = tqdm(total=run.count(units), unit="image", disable=None)
    with cluster.connected(chosen.cluster, chosen.workers) as workers, total as bar:
        for progress in cluster.draw(work, units, prompts, workers):
            told.append(progress)
            bar.set_postfix(rejected=sum(each.rejected for each in told), refresh=False)
            bar.update(progress.images)
    cluster.check(told, run)


def _told(run: "ShardedRun", units: Sequence[int]) -> str:
    missing, failed = run.missing(), run.failed()
    drawn = run.count(units) - run.count({*units} & {*missing, *failed})
    of_failed = f", {run.count(failed)} have failed" if failed else ""
    return (
        f"{drawn} images were drawn; {run.count(missing)} of {run.total} are still missing{of_failed} in "
        f"{run.store.place}"
    )
