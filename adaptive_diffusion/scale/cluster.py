"""Drawing on Ray: a pool of actors that each hold all models and draw whole units. Ray is read only here.

A unit whose worker dies is given to another one, TRIES times in all; then it is recorded as failed, and the run goes on
without it. Ray Data's own checkpoints are not used: what lies in the store is what is done.
"""

import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from ..quoting import quoted
from .answering import may_be_ray
from .drawing import TRIES, Drawer, Make, Progress, attempt, heard
from .extra import installed
from .reasons import first_line, whole
from .sharded import ShardedRun

LOCAL = "local"
SECONDS = 10.0
# Ray calls the first one by where it is the default: all that it opens then listens on the loopback alone.
_OF_THIS_MACHINE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}


@dataclass(frozen=True)
class Work:
    """What every worker is given. make: loads what draws."""

    run: ShardedRun
    make: Make


class Worker:
    """An actor of the pool: loads its models once, then draws the units that it is given."""

    def __init__(self, work: Work):
        self.work = work
        self.drawer: Drawer | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        """Draw the units of a batch of rows; what came of each, as JSON."""
        units = zip(batch["unit"], batch["prompts"], strict=True)
        return {"progress": [json.dumps(asdict(self._attempt(int(unit), list(prompts)))) for unit, prompts in units]}

    def _attempt(self, unit: int, prompts: Sequence[str]) -> Progress:
        try:
            self.drawer = self.drawer or self.work.make()
        except Exception as error:
            return Progress(unit, 0, 0, 0.0, whole(error), begins=False)
        with heard() as told:
            progress = attempt(self.drawer, self.work.run, unit, prompts)
        return replace(progress, told=told)


@contextmanager
def connected(address: str, workers: int | None) -> Iterator[int]:
    """Ray within: that of `address`, or one of this machine for this command alone; gives how many workers fit.

    workers: how many are asked for; None for one on each GPU, or on each processor where there is none.
    A local Ray listens on the loopback alone. ValueError where an address does not answer, or a worker would have no
    GPU of this machine.
    """
    if address == LOCAL:
        _stay_on_this_machine()
    else:
        _check_answers(address)
    with installed():
        import ray
        import ray.data

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    own: dict[str, Any] = {"logging_level": "error", "include_dashboard": False}
    own["num_cpus"] = max(workers or 1, os.cpu_count() or 1)  # each takes one, where there is no GPU
    try:
        ray.init(address=address, log_to_driver=False, **(own if address == LOCAL else {}))
    except Exception as error:  # as Ray raises it where a machine is too busy to begin
        raise ValueError(f"Ray does not begin ({first_line(error)}); give the same command again") from error
    try:
        there = ray.cluster_resources()
        most = int(there.get("GPU", 0) or there.get("CPU", 1))
        if address == LOCAL and (workers or 0) > most:
            raise ValueError(f"--workers is {workers}, but there are {most} GPUs; give at most {most}")
        yield workers or most
    finally:
        ray.shutdown()


def _stay_on_this_machine() -> None:
    """Have a local Ray listen on the loopback alone, also where it was imported before and has read its settings."""
    os.environ.update(_OF_THIS_MACHINE)
    if constants := sys.modules.get("ray._private.ray_constants"):
        constants.ENABLE_RAY_CLUSTER = False  # type: ignore[attr-defined]


def _check_answers(address: str) -> None:
    """ValueError where nothing listens at an address, or no Ray does; Ray itself goes on asking for minutes."""
    parts = urlsplit(address if "://" in address else f"ray://{address}")
    try:
        if not may_be_ray(parts.hostname or "", parts.port or 6379, SECONDS):
            raise ValueError("something else listens there")
    except (OSError, ValueError) as error:
        raise ValueError(
            f"no Ray cluster answers at {quoted(address)}; name it as host:port, or give --cluster alone"
        ) from error


def needed() -> dict[str, Any]:
    """What a worker takes of a cluster: a GPU, or a processor where there is none."""
    import ray

    return {"num_gpus": 1} if ray.cluster_resources().get("GPU") else {"num_cpus": 1}


def draw(work: Work, units: Sequence[int], prompts: Sequence[str], workers: int) -> Iterator[Progress]:
    """Have so many workers draw these units of a run, of all of whose prompts these are; what each came to.

    Those that killed their worker TRIES times are recorded as failed at the end. ValueError where a worker cannot load
    its models.
    """
    import ray

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1
    rows = [{"unit": unit, "prompts": list(prompts[work.run.units[unit]])} for unit in units]
    seen = set()
    pool = ray.data.ActorPoolStrategy(size=min(workers, len(rows)), max_tasks_in_flight_per_actor=1)
    remote = {**needed(), "max_task_retries": TRIES - 1}
    items = ray.data.from_items(rows, override_num_blocks=len(rows))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the retries; 2.63 is the last that takes their number
        told = items.map_batches(Worker, fn_constructor_args=(work,), batch_size=1, compute=pool, **remote)
    for row in told.iter_rows():
        progress = Progress(**json.loads(row["progress"]))
        if not progress.begins:
            raise ValueError(f"a worker cannot begin: {progress.reason}")
        seen.add(progress.unit)
        yield progress
    for unit in sorted({*units} & {*work.run.missing()} - seen):
        work.run.fail(unit, f"its worker died {TRIES} times")
