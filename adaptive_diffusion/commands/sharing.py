"""A run that several processes draw: shares of its units, or Ray's workers."""

import argparse
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from ..numeric import IMAGES
from ..parts import parts
from ..quoting import quoted, without_secrets
from .libraries import needing
from .options import address, among, share
from .reading import warn_of_cut

if TYPE_CHECKING:
    from ..scale.drawing import Make, Progress
    from ..scale.finding import Find, Finders
    from ..scale.sharded import ShardedRun
    from ..scale.split import Split

HOPELESS = 8


def add_sharing(parser: argparse.ArgumentParser) -> None:
    """How a run is cut, and who draws its parts."""
    parser.add_argument(
        "--shard",
        type=share,
        metavar="I/N",
        help="draw every N-th unit into a file of its own, so that N processes or machines draw one run in one place, "
        "which may be such as s3://bucket/run; `collect` makes a run's folder of it",
    )
    add_cluster(parser)
    parser.add_argument(
        "--unit",
        type=among(IMAGES),
        metavar="N",
        help="images drawn and kept together: a larger one fills the teacher's batches better, and loses more when it "
        "is stopped (64)",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say which shards would be drawn")


def check_sharing(chosen: argparse.Namespace) -> None:
    """ValueError where a run is asked for what only one in shards, or on a cluster, can do."""
    check_workers(chosen)
    if chosen.shard or chosen.cluster:
        return
    if chosen.dry_run:
        raise ValueError("--dry-run says what would be drawn into shards; give --shard 1/1, or --cluster")
    check_is_folder(chosen.out, "give --shard 1/1")


def check_workers(chosen: argparse.Namespace) -> None:
    """ValueError where workers are asked for, and there is no cluster to have them."""
    if chosen.workers and not chosen.cluster:
        raise ValueError(f"--workers is {chosen.workers}, but only a --cluster has workers; give both, or neither")


def check_is_folder(out: str, instead: str) -> None:
    """ValueError, with what to do instead, where images in a folder are to go to an object store."""
    if "://" in out:
        shown = quoted(without_secrets(out))
        raise ValueError(f"--out is {shown}, but images go to a folder; name one, or {instead}")


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """Who does the work with Ray."""
    parser.add_argument(
        "--cluster",
        nargs="?",
        const="local",
        type=address,
        metavar="ADDRESS",
        help="work with Ray: on this machine, or on the cluster of an address (pip install '.[cluster]')",
    )
    parser.add_argument(
        "--workers", type=among(IMAGES), metavar="N", help="of the cluster (one for each GPU, else for each processor)"
    )


@contextmanager
def finders(chosen: argparse.Namespace, make: "Callable[[], Find]") -> "Iterator[Finders]":
    """Workers on Ray, each of which finds things with what `make` gives."""
    from ..scale import cluster
    from ..scale.finding import Finders

    with cluster.connected(chosen.cluster, chosen.workers) as workers:
        yield Finders(make, workers, lambda sentence: warnings.warn(sentence, stacklevel=2))


def finding(chosen: argparse.Namespace, make: "Callable[[], Find]", batch: int) -> "Find":
    """What finds things of the batches of prompts that begin with given numbers, here or with Ray.

    make: loads the models and gives what finds things with them. batch: prompts in a batch.
    """
    from ..standalone.runs import UNIT

    def find(starts: Sequence[int]) -> Iterator[Any]:
        if not chosen.cluster:
            yield from make()(starts)
            return
        with finders(chosen, make) as workers:
            yield from workers.found([starts[rows] for rows in parts(len(starts), max(1, UNIT // batch))])

    return find


def told_dry(chosen: argparse.Namespace, about: Mapping[str, Any], prompts: Sequence[str]) -> str:
    """What would be drawn; nothing is, and nothing is written."""
    from ..scale.sharded import planned
    from ..scale.stores import open_store

    run = planned(open_store(chosen.out), about, prompts, chosen.unit)
    units = run.missing(chosen.shard or (1, 1))
    return (
        f"{run.total} images in {len(run.units)} units of {run.about['unit']}; {run.count(units)} of them, in "
        f"{len(units)} units, would be drawn into {run.store.place}"
    )


def draw_shards(
    chosen: argparse.Namespace,
    about: Mapping[str, Any],
    prompts: Sequence[str],
    make: "Make",
    split: "Callable[[ShardedRun, int], Split]",
) -> str:
    """Draw the units that are not there yet, of this process's share or of all on a cluster; a sentence on the run.

    about: as `sharded.opened` takes it. make: loads what draws. split: with --split, the driver of so many workers.
    """
    if chosen.dry_run:
        return told_dry(chosen, about, prompts)
    run, units = begun(chosen, about, prompts)
    if units and chosen.split:
        finish(run, units, _on_split_cluster(chosen, run, units, prompts, split))
    elif units and chosen.cluster:
        finish(run, units, on_cluster(chosen, run, units, prompts, make))
    elif units:
        finish(run, units, _one_by_one(run, units, prompts, make))
    return summary(run, units)


def begun(
    chosen: argparse.Namespace, about: Mapping[str, Any], prompts: Sequence[str]
) -> "tuple[ShardedRun, list[int]]":
    """The run in --out, and which of its units are still to be drawn here; see `draw_shards`."""
    from ..scale.sharded import opened
    from ..scale.stores import open_store

    run = opened(open_store(chosen.out), about, prompts, chosen.unit)
    return run, run.missing(chosen.shard or (1, 1))


def _one_by_one(run: "ShardedRun", units: Sequence[int], prompts: Sequence[str], make: "Make") -> "Generator[Progress]":
    """Draw in this process. What fails ends it."""
    from ..scale.drawing import draw_unit, progress_of

    drawer = make()
    for unit in units:
        yield progress_of(unit, draw_unit(drawer, run, unit, prompts[run.units[unit]]))


def on_cluster(
    chosen: argparse.Namespace, run: "ShardedRun", units: Sequence[int], prompts: Sequence[str], make: "Make"
) -> "Generator[Progress]":
    """Draw with Ray."""
    from ..scale import cluster

    with cluster.connected(chosen.cluster, chosen.workers) as workers:
        yield from cluster.draw(cluster.Work(run, make), units, prompts, workers)


def _on_split_cluster(
    chosen: argparse.Namespace,
    run: "ShardedRun",
    units: Sequence[int],
    prompts: Sequence[str],
    split: "Callable[[ShardedRun, int], Split]",
) -> "Generator[Progress]":
    """Draw with Ray, where each worker holds one of the models."""
    from ..scale import cluster

    with cluster.connected(chosen.cluster, chosen.workers) as workers:
        yield from split(run, workers).draw(units, prompts)


def finish(run: "ShardedRun", units: Sequence[int], drawn: "Generator[Progress]") -> None:
    """Show how far it is, and what the workers tell. ValueError where units are left that can be drawn again.

    Where none of the first HOPELESS units could be drawn, the others are not tried.
    """
    with needing("cluster"):
        from tqdm import tqdm

    from ..scale.drawing import check

    told: list[Progress] = []
    hopeless = False
    with closing(drawn), tqdm(total=run.count(units), unit="image", disable=None) as bar:
        for progress in drawn:
            told.append(progress)
            hopeless = len(told) >= HOPELESS and not any(each.images for each in told)
            if hopeless:
                break
            bar.set_postfix(rejected=sum(each.rejected for each in told), refresh=False)
            bar.update(progress.images)
    _tell(told)
    check(told, run)
    if hopeless:
        raise ValueError(
            f"none of the first {HOPELESS} units could be drawn, so the others were not tried; {run.store.place} has "
            "files that end in .failed.json and say why: delete them to have those units drawn again"
        )


def _tell(told: "Sequence[Progress]") -> None:
    """The warnings of all workers, each once."""
    for sentence in dict.fromkeys(sentence for each in told for sentence in each.told):
        warnings.warn(sentence, stacklevel=2)
    for sentences in zip_longest(*(each.cut for each in told), fillvalue=()):
        warn_of_cut([*dict.fromkeys(sentence for part in sentences for sentence in part)])


def summary(run: "ShardedRun", units: Sequence[int]) -> str:
    """What came of these units, and what is still missing of the run; where nothing is, what was killed is swept."""
    missing, failed = run.missing(), run.failed()
    if not missing:
        run.store.sweep()
    drawn = run.count(units) - run.count({*units} & {*missing, *failed})
    of_failed = f", {run.count(failed)} have failed" if failed else ""
    return (
        f"{drawn} images were drawn; {run.count(missing)} of {run.total} are still missing{of_failed} in "
        f"{run.store.place}"
    )
