"""What stands on a node while and after it runs."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import comfy.utils
import numpy
from comfy_execution.utils import get_executing_context
from server import PromptServer

EVENT = "adaptive_diffusion.calibration"
PERCENTS = range(101)
_advised: set[str] = set()


def show_text(hidden: Any, text: str) -> None:
    """Show `text` on the node with these hidden inputs, to the client that queued it; nothing outside a graph."""
    if client := _client(hidden):
        PromptServer.instance.send_progress_text(text, hidden.unique_id, client)


def show(hidden: Any, event: str, shown: dict[str, Any]) -> None:
    """Send `shown` to the client that queued the node with these hidden inputs."""
    if client := _client(hidden):
        running = get_executing_context()
        told = {"node": hidden.unique_id, "prompt_id": running and running.prompt_id, **shown}
        PromptServer.instance.send_sync(event, told, client)


def _client(hidden: Any) -> str | None:
    """Who queued the node; None outside a graph and where no client did: ComfyUI would then tell every client."""
    return PromptServer.instance.client_id if hidden and hidden.unique_id else None


def advice(sentences: Sequence[str]) -> list[str]:
    """The sentences that no node has shown since ComfyUI started: what helps once, and would be noise at every run."""
    fresh = [sentence for sentence in dict.fromkeys(sentences) if sentence not in _advised]
    _advised.update(fresh)
    return fresh


class ImagesSoFar:
    """The progress bar of a node that draws about so many images."""

    def __init__(self, total: int):
        self.bar, self.total = comfy.utils.ProgressBar(total), total

    def tell(self, done: int) -> None:
        self.bar.update_absolute(min(done, self.total))


class ScoresSoFar:
    """What a calibrating node shows: count, images per second, seconds left and how the scores are distributed."""

    def __init__(self, hidden: Any, total: int):
        self.hidden, self.total, self.begun = hidden, total, time.monotonic()
        self.bar = comfy.utils.ProgressBar(self.total)
        self.before: int | None = None

    def tell(self, scores: Mapping[int, float]) -> None:
        done = len(scores)
        self.before = self.before or done
        rate = (done - self.before) / (time.monotonic() - self.begun)
        show(self.hidden, EVENT, self._shown(scores, rate))
        self.bar.update_absolute(done)

    def _shown(self, scores: Mapping[int, float], rate: float) -> dict[str, Any]:
        left = (self.total - len(scores)) / rate if rate else None
        quantiles = numpy.percentile(list(scores.values()), PERCENTS).tolist()
        outline = {"k": list(PERCENTS), "scores": quantiles}
        return {"done": len(scores), "total": self.total, "rate": rate, "left": left, "outline": outline}
