"""The graph that is being run, as ComfyUI hands it to a node."""

from collections.abc import Iterable, Mapping
from typing import Any

from comfy_api.latest import io
from comfy_execution.graph_utils import is_link

import nodes as core


def behind(hidden: Any, inputs: Iterable[str]) -> set[str] | None:
    """Ids of the nodes from which something reaches these inputs of the node with the hidden inputs unique_id and
    dynprompt; None outside a graph.

    What a lazy switch does not ask for does not reach them, though an earlier run may have left it in a cache.
    """
    if not hidden or not hidden.dynprompt:
        return None
    found: set[str] = set()
    waiting = sources(hidden.dynprompt, hidden.unique_id, inputs)
    while waiting:
        name = waiting.pop()
        if name not in found and hidden.dynprompt.has_node(name):
            found.add(name)
            node = hidden.dynprompt.get_node(name)
            unasked = _unasked(node, hidden.dynprompt)
            waiting += _sources(value for name, value in node["inputs"].items() if name not in unasked)
    return found


def ancestors(graph: Any, names: Iterable[str]) -> set[str]:
    """Ids of all nodes that these depend on in a dynprompt, whoever asks for them."""
    found: set[str] = set()
    waiting = [source for name in names for source in sources(graph, name)]
    while waiting:
        name = waiting.pop()
        if name not in found and graph.has_node(name):
            found.add(name)
            waiting += sources(graph, name)
    return found


def sources(graph: Any, name: str, inputs: Iterable[str] | None = None) -> list[str]:
    """Ids of the nodes that are linked to these inputs of a node, or to any."""
    own = graph.get_node(name)["inputs"]
    return _sources(own[each] for each in (own if inputs is None else inputs) if each in own)


def class_of(graph: Any, name: str) -> str:
    return graph.get_node(name)["class_type"]


def _sources(values: Iterable[Any]) -> list[str]:
    return [str(value[0]) for value in values if is_link(value)]


def _unasked(node: Mapping[str, Any], graph: Any) -> set[str]:
    """The lazy inputs that a node does not ask for, as far as its other inputs stand in the graph."""
    kind, inputs = core.NODE_CLASS_MAPPINGS[node["class_type"]], node["inputs"]
    lazy = {name for name in _lazy(kind) if is_link(inputs.get(name))}
    known = {name: _value(value, graph) for name, value in inputs.items() if name not in lazy}
    if not lazy or any(map(is_link, known.values())):
        return set()
    as_list = getattr(kind, "INPUT_IS_LIST", False)
    given = {name: [value] if as_list else value for name, value in {**known, **dict.fromkeys(lazy)}.items()}
    try:
        asked = (kind if hasattr(kind, "GET_SCHEMA") else kind()).check_lazy_status(**given)
    except Exception:  # what a node needs more than stands in the graph
        return set()
    return lazy - set(asked or ())


def _lazy(kind: Any) -> set[str]:
    """The names of a node's lazy inputs; none where it leaves ComfyUI's own `check_lazy_status`, which asks for all."""
    asks = getattr(kind, "check_lazy_status", None)
    if asks is None or getattr(asks, "__func__", None) is io.ComfyNode.check_lazy_status.__func__:
        return set()
    parts = kind.INPUT_TYPES()
    every = {**parts.get("required", {}), **parts.get("optional", {})}
    return {name for name, about in every.items() if len(about) > 1 and about[1].get("lazy")}


def _value(value: Any, graph: Any) -> Any:
    """What stands in the graph for an input: itself, or what the primitive node holds that it is linked to."""
    source = graph.get_node(str(value[0])) if is_link(value) and graph.has_node(str(value[0])) else None
    if source and source["class_type"].startswith("Primitive"):
        return source["inputs"].get("value", value)
    return value
