"""Copies of the test's process that do something and may be killed at it."""

import itertools
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tqdm import tqdm

from adaptive_diffusion import files

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot copy a process")


# Its own lock would be shared with the copies, and stay held where one is killed that holds it.
tqdm.set_lock(threading.RLock())


def start(target: Callable, *arguments: Any) -> Any:
    process = multiprocessing.get_context("fork").Process(target=target, args=arguments)
    process.start()
    return process


def in_another_process(target: Callable, *arguments: Any) -> int:
    """The exit status of a copy of this process that does this."""
    process = start(target, *arguments)
    process.join()
    return process.exitcode


def at_once(target: Callable, *each: tuple) -> list[int]:
    """The exit statuses of copies that all do this, each with its own arguments."""
    processes = [start(target, *arguments) for arguments in each]
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def killed_at(moment: int, target: Callable, *arguments: Any) -> None:
    """Do this, and end without a word at the given one of all moments at which the disk changes."""
    moments = itertools.count()

    def pass_moment() -> None:
        if next(moments) == moment:
            os._exit(9)

    def write_through(file: Any, data: bytes, through: bool) -> None:
        for half in (data[: len(data) // 2], data[len(data) // 2 :]):
            pass_moment()
            file.write(half)
            file.flush()

    def with_moments(change: Callable) -> Callable:
        return lambda *arguments, **options: (pass_moment(), change(*arguments, **options), pass_moment())[1]

    files._write = write_through
    for name in ("replace", "truncate", "unlink", "mkdir"):
        setattr(os, name, with_moments(getattr(os, name)))
    target(*arguments)


def every_kill(target: Callable[..., None], arguments: Callable[[int], tuple]) -> Iterator[int]:
    """Kill copies that do this at every moment at which the disk changes, until one comes through."""
    for moment in itertools.count():
        status = in_another_process(killed_at, moment, target, *arguments(moment))
        assert status in (0, 9)
        yield moment
        if not status:
            return
