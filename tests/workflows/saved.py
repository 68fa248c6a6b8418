"""Reading a workflow as ComfyUI's frontend saves it: its nodes, their values, and what is queued."""

from typing import Any

Saved = dict[str, Any]
Graph = dict[str, dict[str, Any]]

NOTES = {"MarkdownNote", "Note"}
UNQUEUED = {"control_after_generate", "upload"}
FROM_OUTSIDE = -10


def nodes_of(saved: Saved) -> list[dict[str, Any]]:
    """Every node that is queued, of a workflow with its subgraphs or of a subgraph's definition."""
    inside = [node for definition in _definitions(saved).values() for node in nodes_of(definition)]
    return [*_on_page(saved), *inside]


def _on_page(saved: Saved) -> list[dict[str, Any]]:
    return [node for node in saved["nodes"] if node["type"] not in {*NOTES, *_definitions(saved)}]


def _definitions(saved: Saved) -> dict[str, Saved]:
    return {definition["id"]: definition for definition in saved.get("definitions", {}).get("subgraphs", [])}


def subgraph_of(blueprint: Saved) -> Saved:
    """The definition of the one subgraph that a blueprint consists of."""
    (definition,) = blueprint["definitions"]["subgraphs"]
    return definition


def queued(saved: Saved) -> Graph:
    """The graph in API format, by node id; what is in a workflow's subgraphs stands in it under its own id. In a
    subgraph's definition alone, what comes from outside is [FROM_OUTSIDE, slot].
    """
    graph = {
        str(node["id"]): {"class_type": node["type"], "inputs": {**_values(node), **_linked(node, saved)}}
        for node in _on_page(saved)
    }
    given: dict[tuple[str, int], list[Any]] = {}
    definitions = _definitions(saved)
    for host in (node for node in saved["nodes"] if node["type"] in definitions):
        definition = definitions[host["type"]]
        graph |= _inside(definition, {**_values(host), **_linked(host, saved)})
        given |= {(str(host["id"]), slot): origin for slot, origin in enumerate(_outlets(definition))}
    for node in graph.values():
        node["inputs"] = {name: _source(value, given) for name, value in node["inputs"].items()}
    return graph


def unfolded(graph: Graph) -> Graph:
    """What the frontend queues, with the ids that nodes have in their own subgraphs."""

    def plain(value: Any) -> Any:
        return [value[0].split(":")[-1], value[1]] if isinstance(value, list) else value

    return {
        number.split(":")[-1]: {**node, "inputs": {name: plain(value) for name, value in node["inputs"].items()}}
        for number, node in graph.items()
    }


def _inside(definition: Saved, outside: dict[str, Any]) -> Graph:
    """A subgraph's nodes, with what its host's inputs hold or are linked to."""
    inlets = [inlet["name"] for inlet in definition["inputs"]]
    graph = queued(definition)
    for node in graph.values():
        for name, value in node["inputs"].items():
            if isinstance(value, list) and value[0] == FROM_OUTSIDE:
                node["inputs"][name] = outside[inlets[value[1]]]
    return graph


def _outlets(definition: Saved) -> list[list[Any]]:
    links = _links(definition)
    return [links[outlet["linkIds"][0]] for outlet in definition["outputs"]]


def _source(value: Any, given: dict[tuple[str, int], list[Any]]) -> Any:
    """A link's origin, where it is a host's output the node inside that gives it."""
    while isinstance(value, list) and tuple(value) in given:
        value = given[(value[0], value[1])]
    return value


def _linked(node: dict[str, Any], saved: Saved) -> dict[str, Any]:
    links = _links(saved)
    return {slot["name"]: links[slot["link"]] for slot in node["inputs"] if slot["link"] is not None}


def _links(saved: Saved) -> dict[Any, list[Any]]:
    return {link[0]: [_origin(link[1]), link[2]] for link in map(_as_list, saved["links"])}


def _as_list(link: Any) -> list[Any]:
    """Subgraphs save their links by name, workflows by position."""
    if isinstance(link, dict):
        return [link["id"], link["origin_id"], link["origin_slot"], link["target_id"], link["target_slot"]]
    return link


def _origin(node_id: Any) -> Any:
    return node_id if node_id == FROM_OUTSIDE else str(node_id)


def _values(node: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in named_values(node) if name not in UNQUEUED}


def named_values(node: dict[str, Any]) -> list[tuple[str, Any]]:
    """The widgets of a node in the order in which their values are saved, which is how they are read back."""
    names = list(node.get("widgets_values_named", {}))
    return list(zip(names, node.get("widgets_values", []), strict=True))


def differences(ours: Graph, theirs: Graph) -> list[str]:
    """Where two graphs in API format are not the same, titles aside."""
    found = [f"node {node_id} is only in one" for node_id in set(ours) ^ set(theirs)]
    for node_id in set(ours) & set(theirs):
        a, b = _flat(ours[node_id]), _flat(theirs[node_id])
        found += [f"{a['class_type']} {node_id}: {key} is {a.get(key)!r} and {b.get(key)!r}" for key in _unlike(a, b)]
    return sorted(found)


def _flat(node: dict[str, Any]) -> dict[str, Any]:
    return {"class_type": node["class_type"], **node["inputs"]}


def _unlike(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    return [key for key in {**a, **b} if key not in a or key not in b or a[key] != b[key]]
