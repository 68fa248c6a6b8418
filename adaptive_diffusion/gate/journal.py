"""Scores of an unfinished calibration, kept so that a killed run loses none of them."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..files import append_lines, keep_lines, whole_lines
from ..quoting import quoted, unquoted
from ..reading import parse_json, told
from .student import differences

FORMAT = "adaptive-diffusion journal"
VERSION = 1
SECONDS_AT_RISK = 1.0


class Journal:
    """A file with one line for what is calibrated and one for every batch of scores.

    A line outlives the process at once; a power cut takes the lines of the last SECONDS_AT_RISK at most.
    scores: those of earlier runs and of this one, by the number of their prompt.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]):
        """Go on with the journal at `path`, or begin one; ValueError where it is of another calibration or damaged."""
        self.path = path
        self.scores: dict[int, float] = {}
        self._last_through = -math.inf
        head = {"format": FORMAT, "version": VERSION, **about}
        self._lines = whole_lines(path)
        keep_lines(path, self._lines)
        if not self._lines:
            self._append(head)
            return
        self._check_head(self._lines[0], json.loads(json.dumps(head)))
        for line in self._lines[1:]:
            self.scores |= _batch(line, path)

    def add(self, first: int, scores: Sequence[float]) -> None:
        """Keep the scores of the prompts from number `first` on."""
        self._append({"first": first, "scores": list(scores)})
        self.scores |= dict(enumerate(scores, first))

    def _append(self, content: Mapping[str, Any]) -> None:
        """Where someone removed the file, or its folder, all of it is written again."""
        now = time.monotonic()
        through = now - self._last_through >= SECONDS_AT_RISK
        self._lines.append(json.dumps(content).encode())
        append_lines(self.path, self._lines[-1:] if self.path.exists() else self._lines, through)
        self._last_through = now if through else self._last_through

    def _check_head(self, line: bytes, expected: dict[str, Any]) -> None:
        if told := differences(_parsed(line, self.path), expected):
            raise ValueError(
                f"an unfinished calibration {quoted(self.path.stem)} has {', '.join(told)}; "
                f"choose another name, or delete {unquoted(self.path.name)} to begin again"
            )


def _parsed(line: bytes, path: Path) -> dict[str, Any]:
    with told(_damaged(path)):
        content = parse_json(line)
        if not isinstance(content, dict):
            raise ValueError("no object")
        return content


def _batch(line: bytes, path: Path) -> dict[int, float]:
    content = _parsed(line, path)
    with told(_damaged(path)):
        first, scores = content["first"], content["scores"]
        if type(first) is not int or not all(type(score) is float and math.isfinite(score) for score in scores):
            raise ValueError("no scores")
        return dict(enumerate(scores, first))


def _damaged(path: Path) -> str:
    return f"{unquoted(path.name)} is damaged; delete it to begin this calibration again"
