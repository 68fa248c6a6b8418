"""The most memory that a piece of work holds, measured in a process of its own."""

import multiprocessing
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")
MIB = 1024


def apart(work: Callable[..., Result], *arguments: object) -> Result:
    """What `work(*arguments)` gives in a fresh process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def peak_of(work: Callable[[], object]) -> float:
    """How many MiB more than now this process comes to hold while it works (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")
    before = held("VmRSS")
    work()
    return held("VmHWM") - before


def held(what: str, process: str = "self") -> float:
    """A size that the kernel tells of a process, in MiB: VmRSS is what it holds now, VmHWM the most so far."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(rf"{what}:\s+(\d+)", status)[1]) / MIB
