"""Several estimators as one, in ComfyUI."""

import pytest
import torch
from graphs import adaptive_graph, changed, node
from tiny_vlm import tiny_model

from .tiny_clips import tiny_clip
from .tools import module
from .vision_tools import hosted, weights

CAPTION = "a purple triangle left of a yellow triangle and a red square below on black"
BATCH = 16


@pytest.fixture(autouse=True)
def tables(tmp_path, monkeypatch):
    monkeypatch.setattr(module("host.files.tables"), "user_tables", lambda: tmp_path)
    return tmp_path


def combining(first: str = "Demo", second: str = "graded", **settings) -> dict:
    graph = changed(adaptive_graph(prompt=CAPTION, batch=BATCH), "student", steps=1)
    return graph | {
        "grader": node("TestGrader"),
        "graded": node("AdaptiveQualityScore", estimator=["grader", 0], images=["student_images", 0], prompt=CAPTION),
        "both": node(
            "AdaptiveCombineEstimators",
            **{"estimator_1": ["estimator", 0], "table_1": first, "weight_1": 1.0},
            **{"estimator_2": ["grader", 0], "table_2": second, "weight_2": 3.0, **settings},
        ),
        "combined": node("AdaptiveQualityScore", estimator=["both", 0], images=["student_images", 0], prompt=CAPTION),
        "kept": node("TestKeep", value=["combined", 0], name="combined"),
        "kept values": node("TestKeep", value=["scores", 1], name="demo"),
        "kept graded": node("TestKeep", value=["graded", 1], name="graded"),
        "kept reasons": node("TestKeep", value=["combined", 2], name="reasons"),
        "kept own": node("TestKeep", value=["graded", 2], name="own reasons"),
    }


@pytest.fixture
def calibrated(uncached_app, tables):
    """The grader's table, from a run that nothing is kept of."""
    combined = ("both", "combined", "kept", "kept reasons")
    wanted = {name: each for name, each in combining().items() if name not in combined}
    wanted["table"] = node("AdaptiveTableFromScores", scores=["graded", 0], name="graded")
    assert uncached_app.run(wanted).error is None
    return module("adaptive_diffusion.gate.percentiles").PercentileTable


def percentiles(table, path, values):
    return torch.from_numpy(table.load(path).percentiles_of(list(values)))


def test_scores_are_means_of_percentiles_by_weight_and_answers_are_passed_on(calibrated, comfy_app, tables):
    run = comfy_app.run(combining())
    assert run.error is None
    [scores] = run.kept["combined"]
    demo = percentiles(calibrated, module("adaptive_diffusion.bundled").TABLES / "Demo.json", run.kept["demo"])
    own = percentiles(calibrated, tables / "graded.json", run.kept["graded"])
    assert torch.allclose(torch.tensor(scores.values).double(), (demo + 3 * own) / 4)
    assert scores.estimator == "1 Demo + 3 grader" and scores.dtype == "float32"
    assert list(run.kept["reasons"]) == list(run.kept["own reasons"]) and any(run.kept["reasons"])
    assert f"grader was asked about {BATCH} of {BATCH} images: 0 spared" in run.texts["combined"]


def test_the_costly_one_is_asked_only_about_what_is_open_and_the_node_says_so(calibrated, comfy_app, tables):
    run = comfy_app.run(combining(open_from=10.0, open_to=40.0))
    assert run.error is None
    demo = percentiles(calibrated, module("adaptive_diffusion.bundled").TABLES / "Demo.json", run.kept["demo"])
    asked = ((demo >= 10) & (demo <= 40)).tolist()
    assert 0 < sum(asked) < BATCH
    told = f"grader was asked about {sum(asked)} of {BATCH} images: {BATCH - sum(asked)} spared"
    assert told in run.texts["combined"]
    reasons, own = run.kept["reasons"], run.kept["own reasons"]
    assert list(reasons) == [own[i] if asked[i] else "" for i in range(BATCH)]
    values = run.kept["combined"][0].values
    assert [values[i] for i in range(BATCH) if not asked[i]] == pytest.approx(demo[~torch.tensor(asked)].tolist())


def test_a_judge_of_one_prompt_for_all_images_and_four_in_one(calibrated, comfy_app):
    more = {f"{name}_{i}": value for i in (3, 4) for name, value in (("estimator", ["grader", 0]), ("table", "graded"))}
    run = comfy_app.run(combining(**more, weight_3=2.0, weight_4=1.0))
    assert run.error is None
    assert run.kept["combined"][0].estimator == "1 Demo + 3 grader + 2 grader + 1 grader"


def test_a_combination_has_a_table_of_its_own(calibrated, comfy_app, tables):
    made = combining() | {"own": node("AdaptiveTableFromScores", scores=["combined", 0], name="both")}
    assert comfy_app.run(made).error is None
    gated = {"gate": node("AdaptiveThresholdGate", scores=["combined", 0], table="both", k=50.0)}
    assert comfy_app.run(combining() | gated).error is None
    told = comfy_app.fails(combining(weight_2=1.0) | gated)
    assert "table 'both' was made for the estimator 1 Demo + 3 grader, but the scores are of 1 Demo + 1 grader" in told
    told = comfy_app.fails(combining(open_to=40.0) | gated)
    assert "was made for 1 Demo + 3 grader with the weights" in told
    assert "table 'Demo' was made for the estimator Demo" in comfy_app.fails(
        combining() | {"gate": node("AdaptiveThresholdGate", scores=["combined", 0], table="Demo", k=50.0)}
    )


@pytest.mark.parametrize(
    "settings,told",
    [
        (
            {"first": "graded"},
            "table 'graded' was made for the estimator grader, but the scores are of Demo",
        ),
        (
            {"first": "ImageReward - LCM-SDXL"},
            "table 'ImageReward - LCM-SDXL' was made for the estimator ImageReward, but the scores are of Demo",
        ),
        ({"open_from": 60.0, "open_to": 10.0}, "open_from is 60 and open_to 10; let them leave a range between them"),
    ],
)
def test_what_cannot_be_combined(calibrated, comfy_app, settings, told):
    assert comfy_app.fails(combining(**settings)).startswith(f"Combine Estimators: {told}")


def test_a_table_without_raw_scores_has_no_percentiles():
    part, table = module("host.combined").Part, module("adaptive_diffusion.gate.percentiles").PercentileTable
    judge = hosted(tiny_clip(weights(tiny_model())))
    with pytest.raises(ValueError) as told:
        part(judge, table("mine", {10.0: 1.0, 90.0: 2.0}), 1.0).check()
    assert str(told.value) == (
        "table 'mine' keeps no raw scores, so that most scores have no percentile in it; "
        "make one with Calibrate for VQAScore Qwen3-VL of width 64"
    )


def test_a_changed_table_is_read_again(calibrated, comfy_app, tables):
    assert comfy_app.run(combining()).error is None
    assert "both" not in comfy_app.run(combining()).executed
    path = tables / "graded.json"
    path.write_text(path.read_text() + "\n")
    assert "both" in comfy_app.run(combining()).executed
