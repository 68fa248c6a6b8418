"""From names to the numbers that ComfyUI gives its nodes."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .parts import NOTE, Graph, Group

NOTES = Path(__file__).parent / "notes"


def places(groups: Iterable[Group]) -> list[str]:
    """Names of nodes and notes, from left to right and from top to bottom."""
    return [name for group in groups for column in group.columns for name in column]


def ids(groups: Iterable[Group]) -> dict[str, str]:
    """A number for each name, counting nodes first."""
    names = sorted(places(groups), key=lambda name: name.startswith(NOTE))
    return {name: str(number) for number, name in enumerate(names, 1)}


def numbered(graph: Graph, numbers: dict[str, str]) -> Graph:
    """The graph with its nodes' numbers for names."""
    assert set(graph) == {name for name in numbers if not name.startswith(NOTE)}, set(graph) ^ set(numbers)
    return {numbers[name]: {**node, "inputs": _linked(node["inputs"], numbers)} for name, node in graph.items()}


def _linked(inputs: dict[str, Any], numbers: dict[str, str]) -> dict[str, Any]:
    return {name: [numbers[value[0]], value[1]] if isinstance(value, list) else value for name, value in inputs.items()}


def notes(numbers: dict[str, str]) -> dict[str, str]:
    """The text of every note by its number."""
    return {
        number: (NOTES / f"{name.removeprefix(NOTE)}.md").read_text().strip()
        for name, number in numbers.items()
        if name.startswith(NOTE)
    }
