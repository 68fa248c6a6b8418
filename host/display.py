"""Text on a node while and after it runs."""

import time
from collections.abc import Mapping
from typing import Any

import comfy.utils
import numpy
from server import PromptServer


def show_text(hidden: Any, text: str) -> None:
    """Show `text` on the node with these hidden inputs; nothing where it runs outside a graph."""
    if hidden and hidden.unique_id:
        PromptServer.instance.send_progress_text(text, hidden.unique_id)


class ScoresSoFar:
    """What stands on a calibrating node: count, rate, remaining time and the scores so far."""

    def __init__(self, hidden: Any, total: int):
        self.hidden, self.total, self.begun = hidden, total, time.monotonic()
        self.bar = comfy.utils.ProgressBar(self.total)
        self.before: int | None = None

    def tell(self, scores: Mapping[int, float]) -> None:
        done = len(scores)
        self.before = self.before or done
        rate = (done - self.before) / (time.monotonic() - self.begun)
        left = f", {rate:.2f} a second, {(self.total - done) / rate:.0f} s left" if rate else ""
        low, middle, high = numpy.percentile(list(scores.values()), (10, 50, 90))
        text = f"{done} of {self.total}{left}\n10 %: {low:.3f}, 50 %: {middle:.3f}, 90 %: {high:.3f}"
        show_text(self.hidden, text)
        self.bar.update_absolute(done)
