"""The demo graph with a pack's nodes in its way."""

from collections.abc import Callable
from typing import Any

from graphs import Graph, adaptive_graph, changed, node
from measure import Case, OfK, in_the_way
from teacher import Link

TEACHERS = {"model": ["teacher_models", 0], "positive": ["teacher_prompt", 0], "negative": ["teacher_negative", 0]}


def plain(k: float) -> Graph:
    return saving(adaptive_graph(k=k), ["merge", 0])


def saving(graph: Graph, link: Link) -> Graph:
    return {**graph, "save": node("PacksSave", value=link)}


def way(pack: str, name: str, alter: Callable[[Graph], Graph], usual: OfK = plain) -> Case:
    """What is saved is the same as in the graph that `alter` changes."""
    return in_the_way(pack, name, lambda k: alter(plain(k)), usual)


def at_the_end(pack: str, name: str, end: dict[str, Any]) -> Case:
    return way(pack, name, lambda graph: saving({**graph, "end": end}, ["end", 0]))


def before_teacher(pack: str, name: str, between: dict[str, Any], **outputs: int) -> Case:
    """A node before the teacher; outputs: which of its outputs the teacher's inputs are linked to."""
    links = {field: ["teacher_between", output] for field, output in outputs.items()}
    return way(pack, name, lambda graph: changed({**graph, "teacher_between": between}, "teacher", **links))


def before_scores(pack: str, name: str, between: dict[str, Any]) -> Case:
    """A node between the images and their scores."""
    return way(pack, name, lambda graph: changed({**graph, "between": between}, "scores", images=["between", 0]))
