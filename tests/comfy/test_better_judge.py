"""A text encoder as the judge where many prompts are drawn: as the second one, and as the one that scores."""

import json

import numpy
import pytest
from graphs import calibration_graph, demo_prompts, gate_calibration_graph, keep, node, tuning_graph
from tiny_vlm import tiny_model

from .test_calibrate_gate import fitted as fitted
from .test_tune import folder as folder
from .tiny_clips import tiny_clip
from .tools import module
from .vision_tools import hosted, weights

PROMPTS = demo_prompts(8)
CHECKS = "Is this red? | red\nIs it sand? | sand | 2"
VISION = {
    "vision": node("TestGive", name="vision"),
    "judge": node("AdaptiveVisionJudge", clip=["vision", 0], checks=CHECKS),
}


@pytest.fixture(autouse=True)
def clip(comfy_app, monkeypatch):
    """It may say more than Yes and No, as random networks do of images that they were not made for."""
    monkeypatch.setattr(module("adaptive_diffusion.estimators.vlm.judge"), "LEAST_MASS", 0.0)
    comfy_app.give["vision"] = made = tiny_clip(weights(tiny_model(seed=4)))
    return made


@pytest.fixture
def judged(monkeypatch):
    """Every score that a text encoder gave, image by image."""
    kind, given = module("host.vision_judge").HostedVisionJudge, []
    own = kind.read

    def read(self, images, prompts):
        found = own(self, images, prompts)
        given.extend(found.scores.tolist())
        return found

    monkeypatch.setattr(kind, "read", read)
    return given


def by(graph: dict, role: str) -> dict:
    """The calibrating graph with the text encoder as its "judge", or as its "estimator"."""
    graph["calibrate"]["inputs"][role] = ["judge", 0]
    return graph | VISION


def test_pairs_are_judged_by_the_text_encoder_and_the_gate_reads_the_cheap_estimator(comfy_app, clip, fitted, judged):
    assert comfy_app.run(by(gate_calibration_graph("mine", PROMPTS), "judge")).error is None
    [pairs], expected = fitted, hosted(clip, CHECKS).described
    assert pairs.about.judge == expected
    assert pairs.about.estimator.name == "Demo" and pairs.about.features.startswith("joint state")
    assert sorted(judged) == pytest.approx(sorted(pairs.judged.flatten()))
    assert len(judged) == 2 * len(PROMPTS) and pairs.judged.std() > 1e-3
    assert (pairs.improved == (pairs.judged[:, 1] > pairs.judged[:, 0])).all()


def test_tuning_shows_quality_by_the_text_encoder(comfy_app, clip, folder, judged):
    graph = by(tuning_graph("mine", PROMPTS, teacher_steps="3", student_steps="1", budgets="4"), "judge")
    run = comfy_app.run(keep(graph, table=["calibrate", 1]))
    assert run.error is None
    head, *lines = (folder / "tuning" / "mine.journal").read_text().splitlines()
    assert json.loads(head)["judge"] == hosted(clip, CHECKS).described.settings
    quality = [value for line in lines for value in numpy.atleast_1d(json.loads(line)["quality"])]
    assert sorted(quality) == pytest.approx(sorted(judged)) and len(judged) >= 2 * len(PROMPTS)


def test_it_calibrates_a_table_of_its_own(comfy_app, clip, folder, judged):
    run = comfy_app.run(keep(by(calibration_graph("mine", PROMPTS), "estimator"), table=["calibrate", 0]))
    assert run.error is None
    [table] = run.kept["table"]
    assert table.estimator == hosted(clip, CHECKS).described.settings
    assert table.scores == pytest.approx(sorted(judged)) and len(judged) == len(PROMPTS)


def test_pairs_of_the_text_encoder_alone_have_its_answers_as_features(comfy_app, clip, fitted):
    assert comfy_app.run(by(gate_calibration_graph("mine", PROMPTS), "estimator")).error is None
    [pairs] = fitted
    answers = module("adaptive_diffusion.estimators.vlm.answers")
    assert answers.checks_in(pairs.about.features) == ["", "red", "sand"] and pairs.features.shape == (8, 3)
    expected = pairs.features @ numpy.array([1.0, 1.0, 2.0]) / 4
    assert pairs.scores == pytest.approx(expected, abs=1e-5)


def test_another_judge_goes_not_on_with_what_this_one_began(comfy_app, clip, fitted, monkeypatch):
    graph = by(gate_calibration_graph("mine", PROMPTS), "judge")
    assert comfy_app.run(graph).error is None
    graph["judge"] = node("AdaptiveVisionJudge", clip=["vision", 0], checks=CHECKS + "\nIs it big?")
    assert "'mine' exists with judge" in comfy_app.fails(graph)
