"""What came through links and was no value of its input, as strange graphs found it: each is one sentence of ours."""

import math

import numpy
import pytest
import torch
from fuzz_faults import refusal_faults
from graphs import adaptive_graph, changed, keep, node

from .conftest import Refused, nodes

STRANGE = {
    "an image as decision": (
        "merge",
        "decision",
        "3 images",
        "decision is a tensor of float32 and shape (3, 64, 64, 3)",
    ),
    "a number as decision": ("teacher", "decision", "0.5", "decision is 0.5; link the decision of Threshold Gate"),
    "numbers as conditioning": ("student", "positive", "numbers", "positive is of type list; link a CONDITIONING"),
    "a text as model": ("student", "model", "digits", "model is '3'; link a MODEL"),
    "a text as the lazy model": ("teacher", "model", "digits", "model is '3'; link a MODEL"),
    "nothing as the lazy model": ("teacher", "model", "none", "model came as nothing; link what gives one"),
    "an array as estimator": ("scores", "estimator", "array", "estimator is of type ndarray; link the estimator"),
    "no images": (
        "scores",
        "images",
        "no image",
        "images is a tensor of float32 and shape (0, 64, 64, 3); link an IMAGE",
    ),
    "images in whole numbers": ("scores", "images", "uint8 image", "images is a tensor of uint8 and shape"),
    "a list of a prompt and nothing": ("scores", "prompt", "prompt|none", "prompt is None; link a text"),
    "no latent": (
        "student",
        "latent_image",
        "no latent",
        "latent_image is a dict with a tensor of float32 and shape (0",
    ),
    "a latent numbered in part": ("student", "latent_image", "latent with short numbers", "latent_image is a dict"),
    "a latent numbered for ever": ("student", "latent_image", "latent with numbers far out", "latent_image is a dict"),
    "a number that no float holds": ("gate", "k", "10**400", "k is 1000"),
    "a seed and a half": ("student", "seed", "0.5", "seed is 0.5; give a whole number"),
    "a list as number": ("teacher", "rollback", "array", "rollback is of type ndarray; give a number"),
    "a list as choice": ("teacher", "scheduler", "texts", "scheduler is of type list; link a text"),
    "bytes as choice": ("gate", "table", "bytes", "table is b'a red circle'; link a text"),
    "lists without end": ("gate", "scores", "100 deep", "the scores are neither from Quality Score nor a list of"),
    "scores that no float holds": ("gate", "scores", "10**400|1", "the score of image 0 is inf; check the image"),
    "digits without end": ("gate", "reject_indices", "image numbers far out", "reject_indices is '999"),
    "a nested latent": ("teacher", "latent", "nested latent", "the latent is nested (audio with video), which has no"),
    "sigmas of nothing": (
        "teacher",
        "sigmas",
        "no sigmas",
        "sigmas is a tensor of float32 and shape (0,); link SIGMAS",
    ),
    "a conditioning of NaN": (
        *("student", "positive", "conditioning of nan"),
        "4 of 4 images came out with NaN or infinite values; often half precision overflows",
    ),
    "a conditioning of another model": (
        *("student", "positive", "conditioning of another width"),
        "sampling failed (RuntimeError: ",
    ),
    "a number as control": (
        *("student", "positive", "conditioning with a number for control"),
        "sampling failed (AttributeError: ",
    ),
}


def with_strange(target: str, name: str, values: str, graph=None):
    graph = graph or adaptive_graph(k=100, steps=2)
    return changed(graph, target, **{name: ["strange", 0]}) | {"strange": node("TestStrange", values=values)}


@pytest.mark.parametrize("case", STRANGE)
def test_what_an_input_does_not_take_is_one_sentence(comfy_app, case):
    target, name, values, told = STRANGE[case]
    graph = with_strange(target, name, values)
    error = comfy_app.fails(graph)
    assert told in error and "; " in error and "\n" not in error
    ended = [data for event, data in comfy_app.server.events if event == "execution_error"]
    assert [data["exception_type"] for data in ended] == ["ValueError"]
    assert ended[0]["node_id"] == target


@pytest.mark.parametrize(("target", "name"), [("merge", "improved"), ("teacher", "positive"), ("teacher", "model")])
def test_a_lazy_link_that_gives_no_value_is_one_sentence(comfy_app, target, name):
    graph = adaptive_graph(k=100, steps=2)
    graph["emptied"] = node("TestChange", values=graph[target]["inputs"][name], change="nothing at all")
    error = comfy_app.fails(changed(graph, target, **{name: ["emptied", 0]}))
    assert f": {name} is an empty list; link what gives at least one value" in error


@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize("behind", ["Merge", "Split"])
def test_a_students_image_that_is_not_finite_does_not_pass(comfy_app, behind, place):
    images = torch.rand(4, 64, 64, 3)
    images[place, 3, 3, 1] = math.inf
    comfy_app.give["images"] = images
    graph = {
        "images": node("TestGive", name="images"),
        "numbers": node("TestNumbers", text="1 2 3 4"),
        "gate": node("AdaptiveThresholdGate", scores=["numbers", 0], table="this run", k=0.0),
        "Split": node("AdaptiveSplit", decision=["gate", 0], batch=["images", 0]),
    }
    merge = {"student": ["images", 0], "improved": ["images", 0], "size": "student", "resize_method": "bicubic"}
    graph["Merge"] = node("AdaptiveMerge", decision=["gate", 0], **merge, width=64, height=64)
    unused = "Split" if behind == "Merge" else "Merge"
    error = comfy_app.fails(keep({name: one for name, one in graph.items() if name != unused}, images=[behind, 0]))
    assert f"image {place} of " in error and "has pixels that are not finite; check the VAE that decoded it" in error


def test_a_students_image_that_is_not_finite_may_be_improved(comfy_app):
    comfy_app.give["student"], comfy_app.give["better"] = torch.rand(2, 8, 8, 3), torch.rand(1, 8, 8, 3)
    comfy_app.give["student"][0] = math.nan
    graph = {name: node("TestGive", name=name) for name in ("student", "better")}
    graph["numbers"] = node("TestNumbers", text="1 2")
    graph["gate"] = node("AdaptiveThresholdGate", scores=["numbers", 0], table="this run", k=50.0)
    size = {"size": "student", "resize_method": "bicubic", "width": 64, "height": 64}
    links = {"decision": ["gate", 0], "student": ["student", 0], "improved": ["better", 0]}
    run = comfy_app.run(keep(graph | {"merge": node("AdaptiveMerge", **links, **size)}, images=["merge", 0]))
    assert run.error is None and torch.equal(run.kept["images"][0][0], comfy_app.give["better"][0])


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("gate", "follow"),
        ("gate", "student"),
        ("gate", "reject_indices"),
        ("scores", "decision"),
        ("student", "sigmas"),
    ],
)
def test_nothing_through_an_optional_link_is_as_if_not_linked(comfy_app, target, name):
    graph = keep(adaptive_graph(k=50, steps=2), images=["merge", 0])
    expected = comfy_app.run(graph).kept["images"][0]
    run = comfy_app.run(with_strange(target, name, "none", graph))
    assert run.error is None and torch.equal(run.kept["images"][0], expected)


@pytest.mark.parametrize("steps", [2.0, numpy.float32(2), torch.tensor(2.0)], ids=repr)
def test_a_whole_number_of_any_kind_counts(comfy_app, steps):
    comfy_app.give["steps"] = steps
    graph = keep(adaptive_graph(k=0), student=["student", 1])
    run = comfy_app.run(changed(graph, "student", steps=["steps", 0]) | {"steps": node("TestGive", name="steps")})
    assert run.error is None and run.kept["student"][0].steps == 2


@pytest.mark.parametrize(
    ("target", "name"), [("gate", "table"), ("estimator", "estimator"), ("estimator", "clip_vision")]
)
@pytest.mark.parametrize("value", [{}, {"a": 1}, {"__value__": [1, 2]}, 3, True, "x"], ids=repr)
def test_a_choice_that_is_no_name_is_refused_and_nothing_is_raised(comfy_app, target, name, value):
    with pytest.raises(Refused):
        comfy_app.run(changed(adaptive_graph(), target, **{name: value}))
    assert list(refusal_faults(comfy_app.refused)) == []


def test_a_node_without_its_inputs_is_refused_by_comfyui_and_nothing_is_raised(comfy_app):
    for kind in (name for name in nodes() if name.startswith("Adaptive")):
        with pytest.raises(Refused):
            comfy_app.run(keep({"alone": node(kind)}, value=["alone", 0]))
        told = [error["type"] for one in comfy_app.refused.values() for error in one["errors"]]
        assert "required_input_missing" in told and list(refusal_faults(comfy_app.refused)) == [], kind


def test_a_seed_that_the_sampler_cannot_count_on_from_is_one_sentence(comfy_app):
    """On processors ComfyUI's ancestral samplers draw with the seed and 1, which no generator takes."""
    graph = changed(adaptive_graph(seed=2**64 - 1, steps=2), "student", sampler_name="euler_ancestral")
    told = "Student Sample: sampling failed (ValueError: Overflow when unpacking long long); link conditioning of"
    assert comfy_app.fails(graph).startswith(told)
    assert comfy_app.run(changed(graph, "student", sampler_name="euler")).error is None


def test_an_estimator_without_its_table_is_one_sentence(comfy_app):
    tables = {f"table_{place}": "Demo" for place in (1, 2)} | {f"weight_{place}": 1.0 for place in (1, 2)}
    estimators = {f"estimator_{place}": ["estimator", 0] for place in (1, 2, 3)}
    graph = {
        "estimator": node("AdaptiveLoadEstimator", estimator="demo"),
        "combined": node("AdaptiveCombineEstimators", **tables, **estimators),
    }
    error = comfy_app.fails(keep(graph, combined=["combined", 0]))
    assert error == "Combine Estimators: estimator_3 has no table; choose one as table_3"
