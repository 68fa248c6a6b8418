"""comfy-batch: a saved ComfyUI workflow over a file of prompts, on one ComfyUI or many."""

import argparse
from collections.abc import Generator, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..numeric import SEED
from ..prompts import described, repeated
from .libraries import needing
from .options import add_prompts, among, prompt_count
from .reading import prompts_of
from .sharing import add_sharing, begun, finish, on_cluster, summary, told_dry

if TYPE_CHECKING:
    from ..scale.comfyui.process import Installation
    from ..scale.comfyui.server import Server
    from ..scale.comfyui.worker import Job
    from ..scale.comfyui.workflow import Workflow
    from ..scale.drawing import Progress
    from ..scale.sharded import ShardedRun


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "comfy-batch",
        help="run a ComfyUI workflow over a file of prompts",
        description="Queue a workflow, saved with Export (API), for all prompts of a file, unit by unit through its "
        "Load Prompts node, and keep its images in shards, of which `collect` makes a folder or a data set. The same "
        "command goes on where it was stopped. ComfyUI is started for it, or stands at the addresses that are given.",
    )
    parser.add_argument("workflow", type=Path, metavar="WORKFLOW", help="as the frontend's Export (API) saves it")
    parser.add_argument("--out", required=True, metavar="PLACE", help="for the shards: a folder, or s3://bucket/run")
    add_prompts(parser, required=True)
    parser.add_argument(
        "--count", type=prompt_count, default=0, metavar="N", help="how many prompts to draw by the seed (all)"
    )
    parser.add_argument(
        "--seed", type=among(SEED), metavar="N", help="image i is drawn with seed + i (that of Load Prompts)"
    )
    parser.add_argument(
        "--images", metavar="NODE", help="id of the node that saves the final images (the only one that saves)"
    )
    _add_servers(parser)
    add_sharing(parser)
    parser.set_defaults(run=run)


def _add_servers(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--comfyui", type=Path, metavar="FOLDER", help="start it from here, once for each worker, on the loopback"
    )
    where.add_argument(
        "--server", nargs="+", metavar="ADDRESS", help="draw on those that run at these addresses, such as host:8188"
    )
    parser.add_argument(
        "--comfyui-python", type=Path, metavar="FILE", help="the Python that starts it (of its own environment)"
    )
    parser.add_argument(
        "--comfyui-options", default="", metavar="WORDS", help="its own options, such as '--lowvram' ('')"
    )


def run(chosen: argparse.Namespace) -> str:
    with needing("cluster"):
        from ..scale.comfyui import workflow
        from ..scale.comfyui.worker import Job
    graph = workflow.load(chosen.workflow)
    _check(chosen, graph)
    prompts = repeated(prompts_of(chosen, any_number=True), graph.pictures, any_number=True)
    places = _places(chosen)
    about = {
        **{"prompts": described(prompts, chosen.seed), "workflow": graph.letters},
        **{"images": chosen.images, "pictures": graph.pictures},
    }
    if chosen.dry_run:
        return told_dry(chosen, about, prompts)
    kept, units = begun(chosen, about, prompts)
    if units:
        job = Job(graph, chosen.seed, chosen.images, kept.key, kept.store)
        finish(kept, units, _drawn(chosen, kept, units, prompts, job, places))
    return summary(kept, units)


def _check(chosen: argparse.Namespace, graph: "Workflow") -> None:
    """Fill in what the workflow says; ValueError for what cannot be together."""
    from ..standalone.runs import UNIT

    if chosen.seed is None:
        chosen.seed = graph.seed
    if (unit := chosen.unit or UNIT) % graph.pictures:
        raise ValueError(
            f"a unit of {unit} images does not hold all {graph.pictures} pictures of its prompts; give --unit "
            f"{graph.pictures * max(1, unit // graph.pictures)}"
        )
    if chosen.images is not None and chosen.images not in graph.graph:
        raise ValueError(f"the workflow has no node {chosen.images}; name one that saves images with --images")
    if chosen.server and chosen.cluster:
        raise ValueError("--cluster starts a ComfyUI for each of its workers; leave --server out, or --cluster")
    if chosen.server and chosen.workers:
        raise ValueError("each --server is one worker; leave --workers out")


def _places(chosen: argparse.Namespace) -> "Sequence[Server | Installation]":
    """Where each worker draws; of a cluster, one place for all of them."""
    from ..scale.comfyui.server import server_at

    if chosen.server:
        return [server_at(address) for address in dict.fromkeys(chosen.server)]
    installations = [*_installations(chosen)]
    installations[0].check()
    return installations


def _installations(chosen: argparse.Namespace) -> "Iterator[Installation]":
    """One for each worker of this machine, which share its GPUs; of a cluster one, whose GPU is Ray's to choose."""
    import torch

    from ..scale.comfyui.process import Installation

    workers, gpus = 1 if chosen.cluster else chosen.workers or 1, torch.cuda.device_count()
    for worker in range(workers):
        gpu = worker % gpus if gpus > 1 and workers > 1 else None
        yield Installation(chosen.comfyui, chosen.comfyui_python, chosen.comfyui_options, gpu)


def _drawn(
    chosen: argparse.Namespace,
    kept: "ShardedRun",
    units: Sequence[int],
    prompts: Sequence[str],
    job: "Job",
    places: "Sequence[Server | Installation]",
) -> "Generator[Progress]":
    from ..scale.comfyui import pool
    from ..scale.comfyui.worker import OnItsOwn, OnServer

    kind: Any = OnServer if chosen.server else OnItsOwn
    makes = [partial(kind, job, place) for place in places]
    if chosen.cluster:
        return on_cluster(chosen, kept, units, prompts, makes[0])
    return pool.draw(kept, units, prompts, makes)
