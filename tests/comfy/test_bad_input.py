"""Bad input gets one sentence with the node, the value and the fix."""

import json
import re

import pytest
import torch
from graphs import adaptive_graph, changed, keep, node

ONE_GROUP = "1 2 3 4"


def outside(values: str, **options):
    graph = adaptive_graph(**options)
    graph["outside"] = node("TestNumbers", text=values)
    return changed(graph, "gate", scores=["outside", 0])


def with_latent(shape: str, fill: str = "0", nested: bool = False):
    graph = adaptive_graph(k=100)
    graph["other"] = node("TestLatent", shape=shape, fill=fill, nested=nested)
    return changed(graph, "teacher", latent=["other", 0])


def as_student(shape: str, fill: str = "0", nested: bool = False):
    graph = adaptive_graph()
    graph["other"] = node("TestLatent", shape=shape, fill=fill, nested=nested)
    return changed(graph, "student", latent_image=["other", 0])


def mixed():
    return changed(adaptive_graph(k=100), "merge", student=["student", 0])


def foreign_table(booted):
    table = {"50": 0.0}
    content = {
        "format": "adaptive-diffusion percentiles",
        "version": 1,
        "percentiles": table,
        "estimator": {"name": "ImageReward"},
    }
    return write_table(booted, "foreign", json.dumps(content))


def write_table(booted, name: str, text: str):
    folder = booted / "user" / "adaptive_diffusion" / "percentiles"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(text)
    return changed(adaptive_graph(), "gate", table=name)


def prompts(count: int):
    graph = adaptive_graph()
    graph["texts"] = node("TestLines", text="\n".join(["a large red circle on sky"] * count))
    return changed(graph, "scores", prompt=["texts", 0])


CASES = {
    "scores that do not match the batch": (
        outside("1 2 3", k=50),
        "Teacher Refine: 4 latent images came for .* of 3; link",
    ),
    "a NaN score": (outside("1 nan 3 4"), "Threshold Gate: the score of image 1 is nan; check"),
    "an infinite score": (outside("1 2 inf 4"), "Threshold Gate: the score of image 2 is inf; check"),
    "neither the full nor the rejected batch": (
        with_latent("3 8 8 8"),
        "Teacher Refine: 3 latent images came for ",
    ),
    "a NaN latent": (with_latent("4 8 8 8", "nan"), "Teacher Refine: the latent holds NaN"),
    "a NaN student latent": (as_student("4 8 8 8", "nan"), "Student Sample: the latent holds NaN"),
    "a nested latent": (as_student("4 8 8 8", nested=True), "Student Sample: the latent is nested"),
    "several frames": (as_student("1 8 5 8 8"), "Student Sample: the latent has 5 frames"),
    "another model's channels": (
        with_latent("4 4 8 8", "1"),
        "Teacher Refine: the latent has 4 channels, the model expects 8",
    ),
    "a published table with the demo's scores": (
        changed(adaptive_graph(), "gate", table="ImageReward - LCM-SDXL", k=50.0),
        "Threshold Gate: table 'ImageReward - LCM-SDXL' was made for the estimator ImageReward, but .* of Demo; choose",
    ),
    "rollback above 1": (
        changed(adaptive_graph(k=100), "teacher", rollback=1.5),
        "Teacher Refine: rollback is 1.5.*at most 1",
    ),
    "official rollback 1": (
        changed(adaptive_graph(k=100), "teacher", rollback=1.0, rollback_scale="official"),
        "Teacher Refine: rollback is 1.*official.*'schedule'",
    ),
    "IMAGE and LATENT mixed": (mixed(), "Adaptive Merge: student and improved are an IMAGE and a LATENT"),
    "three prompts for one batch of four": (prompts(3), "Quality Score: 3 prompts do not fit 1 batches of 4 images"),
    "an unknown word": (
        changed(adaptive_graph(), "student_prompt", text="a red dragon on sky"),
        "the demo models do not know 'dragon'; use only",
    ),
    "an unknown word for the estimator": (
        changed(adaptive_graph(), "scores", prompt="a red dragon on sky"),
        "Quality Score: .*dragon",
    ),
    "an empty prompt": (changed(adaptive_graph(), "scores", prompt=" "), "Quality Score: .*empty prompt; give"),
    "one score alone": (
        outside("1", batch=1),
        "Threshold Gate: 'this run' has one score alone.*choose a calibrated table",
    ),
    "an image number too high": (
        changed(adaptive_graph(), "gate", reject_indices="0, 9"),
        "Threshold Gate: .*image 9, but there are 4",
    ),
    "words for image numbers": (
        changed(adaptive_graph(), "gate", reject_indices="all"),
        "Threshold Gate: reject_indices is 'all'",
    ),
    "cfg without a negative": (
        changed(adaptive_graph(k=100), "teacher", negative=None),
        "Teacher Refine: cfg is 3 but no negative.*set cfg to 1",
    ),
    "51 steps of lcm": (changed(adaptive_graph(), "student", steps=51), "Student Sample: steps is 51.*1 to 50"),
    "a latent at another size than the student's": (
        changed(adaptive_graph(k=100), "merge", student=["student", 0], improved=["teacher", 0], size="width x height"),
        "Adaptive Merge: size 'width x height' needs images",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_one_sentence_names_node_value_and_fix(case, comfy_app):
    graph, sentence = CASES[case]
    check(comfy_app, graph, sentence)


def check(app, graph, sentence: str) -> None:
    error = app.fails(graph)
    assert re.search(sentence, error), error
    assert "\n" not in error


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "not a complete JSON"),
        ("", "not a complete JSON"),
        ("{}", "holds no percentiles"),
        ('{"10": 1.0, "20": 0.0}', "not monotone"),
        ('{"10": 1.0, "20": 2.0', "not a complete JSON"),
        ('{"10": "a"}', "finite number"),
        ('{"10": NaN}', "finite number"),
    ],
)
def test_broken_tables(text, sentence, comfy_app, booted):
    check(comfy_app, write_table(booted, "broken", text), f"Threshold Gate: table 'broken' .*{sentence}")


def test_a_k_outside_the_knots(comfy_app, booted):
    graph = changed(write_table(booted, "few knots", '{"20": -1.0, "80": 1.0}'), "gate", k=10.0)
    check(comfy_app, graph, "Threshold Gate: k is 10, but table 'few knots' only knows 20 to 80; choose")


def test_a_table_of_another_estimator(comfy_app, booted):
    check(
        comfy_app,
        foreign_table(booted),
        "Threshold Gate: table 'foreign' was made for the estimator ImageReward.*Demo; choose",
    )


def test_a_table_of_another_estimator_is_not_added_to(comfy_app, booted):
    foreign_table(booted)
    graph = adaptive_graph()
    graph["save_table"] = node("AdaptiveTableFromScores", scores=["scores", 0], name="foreign")
    path = booted / "user" / "adaptive_diffusion" / "percentiles" / "foreign.json"
    before = path.read_text()
    check(comfy_app, graph, "Table from Scores: .*raw scores")
    assert path.read_text() == before


@pytest.mark.parametrize("name", ["../outside", "a/b", "", "Demo", "this run", ".hidden"])
def test_a_table_name_is_a_plain_name(name, comfy_app, booted):
    graph = adaptive_graph()
    graph["save_table"] = node("AdaptiveTableFromScores", scores=["scores", 0], name=name)
    before = set(booted.rglob("*.json"))
    check(comfy_app, graph, "Table from Scores: .*name")
    assert set(booted.rglob("*.json")) == before


@pytest.mark.parametrize(
    ("target", "field", "value", "sentence"),
    [
        ("gate", "table", "../../secret", "there is no table or gate '../../secret'; choose one of"),
        (
            "estimator",
            "estimator",
            "../../secret.safetensors",
            "there is no estimator '../../secret.safetensors'; choose one of",
        ),
        ("teacher", "steps", 0, "Value 0 smaller than min of 1"),
        ("student", "steps", 0, "Value 0 smaller than min of 1"),
        ("gate", "k", 101.0, "Value 101.0 bigger than max of 100.0"),
    ],
)
def test_values_that_are_refused_before_anything_runs(target, field, value, sentence, comfy_app):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        comfy_app.run(changed(adaptive_graph(), target, **{field: value}))


def test_a_score_of_broken_pixels_is_never_a_number(comfy_app):
    comfy_app.give["images"] = torch.full((2, 64, 64, 3), float("nan"))
    graph = {
        "images": node("TestGive", name="images"),
        "estimator": node("AdaptiveLoadEstimator", estimator="demo"),
        "scores": node(
            "AdaptiveQualityScore", estimator=["estimator", 0], images=["images", 0], prompt="a large red circle on sky"
        ),
    }
    check(comfy_app, keep(graph, scores=["scores", 0]), "Quality Score: ")
