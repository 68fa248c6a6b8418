"""The graph that is being run, as ComfyUI hands it to a node."""

from collections.abc import Iterable
from typing import Any

from comfy_execution.graph_utils import is_link


def behind(hidden: Any, inputs: Iterable[str]) -> set[str] | None:
    """Ids of the nodes from which something reaches these inputs of the node with the hidden inputs unique_id and
    dynprompt; None outside a graph.
    """
    if not hidden or not hidden.dynprompt:
        return None
    own = hidden.dynprompt.get_node(hidden.unique_id)["inputs"]
    found: set[str] = set()
    waiting = _sources(own[name] for name in inputs if name in own)
    while waiting:
        node = waiting.pop()
        if node not in found and hidden.dynprompt.has_node(node):
            found.add(node)
            waiting += _sources(hidden.dynprompt.get_node(node)["inputs"].values())
    return found


def _sources(values: Iterable[Any]) -> list[str]:
    return [str(value[0]) for value in values if is_link(value)]
