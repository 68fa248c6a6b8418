"""Reading a workflow as ComfyUI's frontend saves it: its nodes, their values, and what is queued."""

from typing import Any

Saved = dict[str, Any]
Graph = dict[str, dict[str, Any]]

NOTES = {"MarkdownNote", "Note"}
UNQUEUED = {"control_after_generate", "upload"}
FROM_OUTSIDE = -10


def nodes_of(saved: Saved) -> list[dict[str, Any]]:
    """Every node that is queued, of a workflow or of a subgraph's definition."""
    return [node for node in saved["nodes"] if node["type"] not in NOTES]


def subgraph_of(blueprint: Saved) -> Saved:
    """The definition of the one subgraph that a blueprint consists of."""
    (definition,) = blueprint["definitions"]["subgraphs"]
    return definition


def queued(saved: Saved) -> Graph:
    """The graph in API format, by node id. In a subgraph, what comes from outside is [FROM_OUTSIDE, slot]."""
    links = {link[0]: [_origin(link[1]), link[2]] for link in map(_as_list, saved["links"])}
    return {
        str(node["id"]): {
            "class_type": node["type"],
            "inputs": {
                **_values(node),
                **{slot["name"]: links[slot["link"]] for slot in node["inputs"] if slot["link"] is not None},
            },
        }
        for node in nodes_of(saved)
    }


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
