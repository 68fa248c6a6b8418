"""How long every node of a prompt takes, heard where ComfyUI tells its progress."""

import time
from typing import Any

from comfy_execution.progress import ProgressHandler, add_progress_handler, get_progress_state

NAME = "adaptive_diffusion_clock"


class Clock(ProgressHandler):
    """The seconds of the nodes that ran in one prompt, by id; none of those whose results came from a cache.

    counted: those that were written to an account already.
    """

    def __init__(self) -> None:
        super().__init__(NAME)
        self.seconds: dict[str, float] = {}
        self.counted: set[str] = set()
        self._begun: dict[str, float] = {}

    def start_handler(self, node_id: str, state: Any, prompt_id: str) -> None:
        """A node that first asks for its lazy inputs starts twice: the time before the second start is others'."""
        self._begun[node_id] = time.perf_counter()

    def finish_handler(self, node_id: str, state: Any, prompt_id: str) -> None:
        """Also told of nodes whose results came from a cache; they never started."""
        if node_id in self._begun:
            self.seconds[node_id] = time.perf_counter() - self._begun.pop(node_id)


def running_clock() -> Clock:
    """The clock of the prompt that runs, which begins to tick with the first call."""
    clock = get_progress_state().handlers.get(NAME)
    if clock is None:
        clock = Clock()
        add_progress_handler(clock)
    return clock
