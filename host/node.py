"""The pack's own link types and what every node shares."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from comfy_api.latest import io

CATEGORY = "adaptive diffusion"
ALIASES = ["adaptive", "refine bad images", "auto quality", "quality gate", "best of"]

StudentInfoLink = io.Custom("STUDENT_INFO")
EstimatorLink = io.Custom("QUALITY_ESTIMATOR")
ScoresLink = io.Custom("QUALITY_SCORES")
DecisionLink = io.Custom("GATE_DECISION")
TableLink = io.Custom("PERCENTILE_TABLE")


def node_id(hidden: Any) -> str:
    """The id of the node with these hidden inputs; empty where it runs outside a graph."""
    return str(hidden.unique_id) if hidden else ""


@contextmanager
def speaking_for(node: str) -> Iterator[None]:
    """Put the node's name in front of every complaint about a value."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{node}: {error}") from error
