"""Easy-Use: a lazy choice, and a loop around the whole graph."""

from typing import Any

from graphs import Graph, adaptive_graph, node
from measure import in_the_way
from teacher import Link

from .demo import TEACHERS, at_the_end, before_teacher, saving

PACK = "Easy-Use"
TIMES = 3
BLACK = node("EmptyImage", width=64, height=64, batch_size=1, color=0)
END = node("easy ifElse", boolean=["gate", 1], on_true=["merge", 0], on_false=["student_images", 0])
MODEL = node("easy ifElse", boolean=True, on_true=TEACHERS["model"], on_false=["student_models", 0])


def looped(k: float) -> Graph:
    """The demo graph for the seeds 0, 1 and 2; the images of all rounds behind a black one."""
    rounds = {
        "start": node("easy forLoopStart", total=TIMES, initial_value1=["black", 0]),
        "joined": joined(["start", 2], ["merge", 0]),
        "end": node("easy forLoopEnd", flow=["start", 0], initial_value1=["joined", 0]),
    }
    return saving({**adaptive_graph(k=k, seed=["start", 1]), **rounds, "black": BLACK}, ["end", 0])


def one_by_one(k: float) -> Graph:
    """The same without a loop."""
    graph, last = {"black": BLACK}, ["black", 0]
    for seed in range(TIMES):
        graph |= named(adaptive_graph(k=k, seed=seed), f"{seed}.") | {
            f"joined{seed}": joined(last, [f"{seed}.merge", 0])
        }
        last = [f"joined{seed}", 0]
    return saving(graph, last)


def joined(one: Link, other: Link) -> dict[str, Any]:
    return node("ImageBatch", image1=one, image2=other)


def named(graph: Graph, prefix: str) -> Graph:
    """The graph under other ids."""

    def moved(value: Any) -> Any:
        return [prefix + value[0], value[1]] if isinstance(value, list) else value

    return {
        prefix + name: node(one["class_type"], **{key: moved(value) for key, value in one["inputs"].items()})
        for name, one in graph.items()
    }


CASES = [
    at_the_end(PACK, "ifElse by any_rejected", END),
    before_teacher(PACK, "ifElse, model", MODEL, model=0),
    in_the_way(PACK, "for loop of 3 around the graph", looped, one_by_one),
]
