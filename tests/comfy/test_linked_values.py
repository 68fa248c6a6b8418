"""Values that come through links, from nodes that do not know what ComfyUI's own numbers are."""

import json
import math

import numpy
import pytest
import torch
from graphs import adaptive_graph, changed, keep, node

KINDS = {
    "numpy.float32": numpy.float32,
    "numpy.float64": numpy.float64,
    "a numpy array without axes": numpy.array,
    "a tensor without axes": torch.tensor,
    "int": round,
}
NUMBERS = [("gate", "k", 42.0), ("teacher", "cfg", 2.0), ("teacher", "rollback", 0.5), ("student", "cfg", 1.0)]


def judged(run):
    """What the gate shows, but for what was saved since the start, which every run adds to."""
    [told] = run.ui["gate"]["adaptive_gate"]
    return {key: value for key, value in told.items() if key != "savings"}


def linked(app, graph, target, name, value):
    app.give["value"] = value
    return changed(graph, target, **{name: ["value", 0]}) | {"value": node("TestGive", name="value")}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("target", "name", "value"), NUMBERS)
def test_a_number_of_any_kind_is_that_number(comfy_app, target, name, value, kind):
    value = value if kind != "int" else float(round(value) or 1)
    graph = keep(adaptive_graph(k=50, steps=2), merged=["merge", 0])
    expected = comfy_app.run(changed(graph, target, **{name: value}))
    run = comfy_app.run(linked(comfy_app, graph, target, name, KINDS[kind](value)))
    assert torch.equal(run.kept["merged"][0], expected.kept["merged"][0])
    assert judged(run) == judged(expected) and json.dumps(run.ui)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, numpy.float32("nan"), torch.tensor(math.inf)])
@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("gate", "k"),
        ("gate", "threshold_override"),
        ("teacher", "cfg"),
        ("teacher", "rollback"),
        ("student", "cfg"),
        ("student", "denoise"),
        ("by_score", "near"),
        ("by_score", "far"),
        ("by_score", "distance"),
        ("budget", "average"),
    ],
)
def test_a_number_that_is_not_finite_is_refused_by_name(comfy_app, target, name, value):
    graph = adaptive_graph(k=50, steps=2)
    graph["by_score"] = node("AdaptiveRollbackByScore", decision=["gate", 0], near=0.4, far=0.8, distance=1.0)
    graph["budget"] = node(
        "AdaptiveBudget", average=8.0, unit="steps", student_steps=4, teacher_steps=12, cfg=1.0
    )  # fmt: skip
    graph = keep(graph, rollback=["by_score", 0], k=["budget", 0])
    error = comfy_app.fails(linked(comfy_app, graph, target, name, value))
    assert f": {name} is {float(value)}; give a finite number" in error


@pytest.mark.parametrize("value", ["much", [1.0], {"k": 1}, None], ids=repr)
def test_what_is_no_number_is_refused_in_a_sentence(comfy_app, value):
    error = comfy_app.fails(linked(comfy_app, adaptive_graph(), "gate", "k", value))
    assert error.startswith("Threshold Gate: k is ") and error.count("\n") == 0


SCORES = {
    "numpy.float32": [numpy.float32(0.1), numpy.float32(0.9)],
    "a list in a list": [[0.1, 0.9]],
    "an array": [numpy.array([0.1, 0.9])],
    "a tensor": [torch.tensor([0.1, 0.9])],
    "ints": [1, 9],
}


@pytest.mark.parametrize("kind", SCORES)
def test_scores_of_other_packs_are_judged(comfy_app, kind):
    from .conftest import nodes

    decisions = nodes()["AdaptiveThresholdGate"].execute(scores=SCORES[kind], table=["this run"], k=[50.0]).args[0]
    assert [decision.rejected for decision in decisions] == [(0,)]
    assert all(type(value) is float for value in decisions[0].scores.values)


@pytest.mark.parametrize("scores", [["good", "bad"], [{"score": 1.0}], [None], [[0.1, "x"]], [[]]], ids=repr)
def test_what_are_no_scores_is_refused(comfy_app, scores):
    from .conftest import nodes

    with pytest.raises(ValueError, match="^Threshold Gate: "):
        nodes()["AdaptiveThresholdGate"].execute(scores=scores, table=["this run"], k=[50.0])
