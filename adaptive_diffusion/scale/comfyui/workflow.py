"""A saved workflow in ComfyUI's API format: what of it changes from unit to unit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...digest import digest
from ...numeric import SEED, whole
from ...prompts import CAPTION
from ...quoting import quoted
from ...reading import read_json

LOAD = "AdaptiveLoadPrompts"
PICTURES = whole(1, 1000)
Graph = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Workflow:
    """graph: the nodes by their ids. node: which of them loads the prompts."""

    graph: Graph
    node: str

    @property
    def pictures(self) -> int:
        """Of each prompt."""
        return PICTURES.of("the pictures of Load Prompts", self._inputs.get("pictures", 1))

    @property
    def seed(self) -> int:
        """The first picture's, as it was saved."""
        return SEED.of("the seed of Load Prompts", self._inputs.get("seed", 0))

    @property
    def letters(self) -> str:
        """Letters that stand for all of it but for what `of_unit` fills in."""
        return digest(self.of_unit("", 0))

    @property
    def _inputs(self) -> Mapping[str, Any]:
        return self.graph[self.node]["inputs"]

    def of_unit(self, file: str, seed: int) -> Graph:
        """The graph that draws all prompts of a file of ComfyUI's input folder, the first of them with this seed."""
        inputs = {**self._inputs, "file": file, "column": CAPTION, "count": 0, "seed": seed}
        return {**self.graph, self.node: {**self.graph[self.node], "inputs": inputs}}


def load(path: Path) -> Workflow:
    """The workflow in a file; ValueError where it is none in API format, or does not load prompts by one node."""
    damaged = f"{quoted(path)} is no workflow in JSON; save it again with the frontend's Export (API)"
    content = read_json(path, damaged)
    if isinstance(content, dict) and isinstance(content.get("nodes"), list):
        raise ValueError(
            f"{quoted(path)} is a workflow as the frontend saves it for itself; save it with Export (API) instead"
        )
    if not isinstance(content, dict) or not content or not all(map(_is_node, content.values())):
        raise ValueError(damaged)
    return Workflow(content, _loading(content, path))


def _is_node(node: Any) -> bool:
    named = isinstance(node, dict) and isinstance(node.get("class_type"), str)
    return named and isinstance(node.get("inputs"), dict)


def _loading(graph: Graph, path: Path) -> str:
    found = [*_of_class(graph, LOAD)]
    if len(found) != 1:
        raise ValueError(
            f"{quoted(path)} has {len(found) or 'no'} Load Prompts; let one load all prompts, as the unit's go there"
        )
    return found[0]


def _of_class(graph: Graph, name: str) -> Iterator[str]:
    return (key for key, node in graph.items() if node["class_type"] == name)
