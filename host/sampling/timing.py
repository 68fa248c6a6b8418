"""How long sampling took here, for budgets in seconds."""

import statistics
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

STUDENT, TEACHER = "student", "teacher"
_TAKEN: dict[str, deque[float]] = {STUDENT: deque(maxlen=9), TEACHER: deque(maxlen=9)}


@contextmanager
def timed(role: str, images: int) -> Iterator[None]:
    """Remember the seconds per image of the work inside, as the `role`'s; nothing for no images."""
    begun = time.perf_counter()
    yield
    if images:
        _TAKEN[role].append((time.perf_counter() - begun) / images)


def seconds_per_image(role: str) -> float:
    """The median of the last runs since ComfyUI started; ValueError where there was none."""
    if not _TAKEN[role]:
        raise ValueError(
            f"no {role} has drawn anything since ComfyUI started; queue a run that uses it, then ask again"
        )
    return statistics.median(_TAKEN[role])
