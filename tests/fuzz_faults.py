"""What may not come of a strange graph, however it is run: errors that are not ours, and messages that are no JSON."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

FOREIGN = re.compile(
    r"\b[A-Z]\w*(Error|Exception|Warning)\b|object is not|has no attribute|unsupported operand|positional argument|"
    r"keyword argument|out of range|could not convert|invalid literal|must be real|ambiguous|not callable|"
    r"not subscriptable|not iterable|NoneType|size of tensor|broadcast|Expected |recursion|unhashable|too large to|"
    r"Exceeds the limit"
)
CORES_OWN = "v[i if len(v) > i else -1]"
"""Where ComfyUI looks for the last of an empty list, before it calls a node."""


def error_fault(error: Mapping[str, Any], titles: Mapping[str, str]) -> str | None:
    """Of an execution_error; titles: of our nodes, by their ids.

    Ours is a ValueError of one sentence, value and fix; in brackets may stand what others' models raised.
    """
    kind, told = error["node_type"], error["exception_message"].strip()
    trace = (error["traceback"] or [""])[-1].strip()
    if error["exception_type"] == "ExecutionBlocked" or CORES_OWN in trace or kind.startswith("Test"):
        return None
    if kind not in titles:
        return f"{kind} failed behind ours: {told}"
    own = re.sub(r"of type \w+|failed \(.*\);", "", told)
    sentence = told.startswith(f"{titles[kind]}: ") and "; " in told and "\n" not in told and not FOREIGN.search(own)
    return None if sentence and error["exception_type"] == "ValueError" else f"{told[:300]} ... {trace}"


def refusal_faults(node_errors: Mapping[str, Any]) -> Iterator[str]:
    """Of what was not queued: our own checks answer, and never raise."""
    for node in node_errors.values():
        for error in node["errors"]:
            if "exception_during" in error["type"]:
                yield f"{node['class_type']}: validation raised {error}"


def strict(text: str | bytes) -> Any:
    """JSON as browsers read it; ValueError for the NaN and Infinity that Python reads, too."""

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)
