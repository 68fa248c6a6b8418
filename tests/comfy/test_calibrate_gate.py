"""Pairs of the demo student's and teacher's images, drawn in ComfyUI's own executor, and gates fitted to them."""

import itertools
from dataclasses import replace

import comfy.model_management
import numpy
import pytest
from graphs import adaptive_graph, changed, demo_prompts, gate_calibration_graph, keep, node

import nodes as core

from .test_estimators import count
from .tools import module

PROMPTS = demo_prompts(8)


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """The user's tables, gates and pairs in a folder of this test."""
    monkeypatch.setattr(module("host.files.tables"), "user_tables", lambda: tmp_path / "user" / "percentiles")
    monkeypatch.setattr(module("host.files.gates"), "user_tables", lambda: tmp_path / "user" / "percentiles")
    return tmp_path / "user"


@pytest.fixture(autouse=True)
def fitted(monkeypatch):
    """What gates were fitted to, without fitting: a few pairs are too few."""
    found = []

    class Gate:
        name = "fitted"

        def save(self, path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("a gate")

    for name in ("calibrate_gate", "gate_from_scores"):
        monkeypatch.setattr(module(f"nodes.{name}"), "fit", lambda pairs: (found.append(pairs), Gate())[1])
        monkeypatch.setattr(module(f"nodes.{name}"), "summary", lambda gate: "fitted")
    return found


def graph(name: str, prompts=PROMPTS, **settings) -> dict:
    return keep(gate_calibration_graph(name, prompts, **settings), gate=["calibrate", 0])


def by_hand(prompts, teacher: str = "AdaptiveTeacherRefine", seed: int = 7) -> dict:
    """The same pairs through the nodes that a person would use: a gate at k 100 sends every image to the teacher."""
    made = adaptive_graph(prompt=["prompts", 0], k=100.0, batch=1, seed=["seeds", 1], steps=3)
    made = changed(made, "student", sampler_name="euler", scheduler="trailing", negative=["student_prompt", 0])
    made = changed(made, "teacher", cfg=2.0)
    if teacher != "AdaptiveTeacherRefine":
        made["teacher"]["class_type"] = teacher
        made = changed(made, "teacher", rollback=None, rollback_scale=None)
    return made | {
        "prompts": node("TestLines", text="\n".join(prompts)),
        "seeds": node("TestNumbers", text=" ".join(str(seed + i) for i in range(len(prompts)))),
        "improved_scores": node(
            "AdaptiveQualityScore", estimator=["estimator", 0], images=["teacher_images", 0], decision=["gate", 0]
        ),
        "pairs": node(
            "AdaptiveGateFromScores",
            scores=["scores", 0],
            improved_scores=["improved_scores", 0],
            student=["student", 1],
            name="by hand",
            teacher="",
        ),
    }


def columns(pairs) -> dict[str, numpy.ndarray]:
    """What pairs hold, by the number of the prompt."""
    order = numpy.argsort(pairs.numbers)
    return {name: getattr(pairs, name)[order] for name in ("scores", "teacher_scores", "features")}


@pytest.mark.parametrize(
    ("strategy", "teacher"), [("refine", "AdaptiveTeacherRefine"), ("regenerate", "AdaptiveTeacherRegenerate")]
)
def test_the_pairs_are_those_of_the_nodes_that_a_person_wires(comfy_app, fitted, strategy, teacher):
    assert comfy_app.run(graph("own", strategy=strategy)).error is None
    assert comfy_app.run(by_hand(PROMPTS, teacher)).error is None
    own, hand = map(columns, fitted)
    for name, values in own.items():
        difference = abs(values - hand[name])
        assert numpy.median(difference) <= 1e-4, name
        assert difference.max() <= 2e-2, "more than 8-bit values that flip, as decoding in batches rounds otherwise"
    assert own["scores"].std() > 0.1 and abs(own["scores"] - own["teacher_scores"]).max() > 0.1
    about, other = (pairs.about for pairs in fitted)
    assert not about.student.unequal(other.student) or about.student.differences(other.student) == []
    assert (about.teacher.strategy, about.teacher.steps, about.teacher.name) == (strategy, 3, "teacher")
    assert about.teacher.rollback == (0.7 if strategy == "refine" else None)


def test_a_second_judge_says_which_image_is_better(comfy_app, fitted):
    judged = graph("judged") | {"other": node("AdaptiveLoadEstimator", estimator="demo", dtype="float16")}
    judged["calibrate"]["inputs"]["judge"] = ["other", 0]
    assert comfy_app.run(judged).error is None
    [pairs] = fitted
    assert pairs.about.judge.dtype == "float16"
    assert pairs.judged == pytest.approx(numpy.column_stack([pairs.scores, pairs.teacher_scores]), abs=0.05)


def test_gate_and_pairs_are_kept_and_the_gate_comes_out(comfy_app, folder):
    run = comfy_app.run(graph("mine"))
    assert run.error is None and run.kept["gate"][0].name == "fitted"
    kept = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert kept == {"gates/mine.safetensors", "pairs/mine.safetensors"}


@pytest.mark.parametrize("read", [0, 3])
def test_interrupted_it_goes_on_to_the_same_pairs_and_draws_nothing_twice(comfy_app, folder, fitted, monkeypatch, read):
    monkeypatch.setattr(module("adaptive_diffusion.gate.calibration").chunks, "__defaults__", (4,))
    assert comfy_app.run(graph("whole")).error is None
    judge = module("host.estimator").HostedEstimator
    calls, original = itertools.count(), judge.read

    def stopped(self, images, prompts):
        if next(calls) == read:
            comfy.model_management.interrupt_current_processing()
            comfy.model_management.throw_exception_if_processing_interrupted()
        return original(self, images, prompts)

    with monkeypatch.context() as patch:
        patch.setattr(judge, "read", stopped)
        assert "gate" not in comfy_app.run(graph("cut")).kept
    assert [path.name for path in (folder / "pairs").iterdir() if path.name.startswith("cut")] == ["cut.journal"]
    encoded = count(monkeypatch, core.CLIPTextEncode, "encode")
    assert comfy_app.run(graph("cut")).error is None
    kept = 4 * (read // 2)
    assert len(encoded) == 2 * (len(PROMPTS) - kept)
    whole, cut = map(columns, fitted)
    assert all((whole[name] == cut[name]).all() for name in whole)


def test_finished_pairs_are_not_drawn_again(uncached_app, fitted, monkeypatch):
    assert uncached_app.run(graph("done")).error is None
    decoded = count(monkeypatch, core.VAEDecode, "decode")
    assert uncached_app.run(graph("done")).error is None
    assert decoded == [] and (fitted[0].scores == fitted[1].scores).all()


def test_models_take_turns_once_for_many_batches(comfy_app, monkeypatch):
    turns: list[str] = []
    watched = [
        (module("host.sampling.calibration"), "draw_all", "student"),
        (module("host.sampling.teacher"), "draw_all", "teacher"),
        (module("host.estimator").HostedEstimator, "read", "score"),
    ]
    for owner, name, what in watched:
        original = getattr(owner, name)
        monkeypatch.setattr(
            owner, name, lambda *args, run=original, what=what, **kw: (turns.append(what), run(*args, **kw))[1]
        )
    assert comfy_app.run(graph("turns", batch=2)).error is None
    assert [what for what, _ in itertools.groupby(turns)] == ["student", "score", "teacher", "score"]
    assert turns.count("student") == turns.count("teacher") == len(PROMPTS) // 2


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "../up"}, "'../up' cannot name a table"),
        ({"name": "Demo"}, "'Demo' is a table of the pack itself"),
        ({"rollback": 0.0}, "rollback is 0, which leaves every image as it is; choose one above 0"),
        ({"teacher_scheduler": "leading"}, "scheduler 'leading' cannot refine; choose another one"),
        ({"teacher_negative": None}, "the teacher runs at cfg 2, which needs a negative; link one"),
    ],
)
def test_what_cannot_be_calibrated_is_refused_before_anything_is_written(comfy_app, folder, change, sentence):
    refused = changed(graph("no"), "calibrate", **change)
    error = comfy_app.fails(refused)
    assert error.startswith("Calibrate Gate: ") and sentence in error
    assert not folder.exists()


def test_a_prompt_that_the_estimator_does_not_read_to_its_end_is_told(comfy_app, monkeypatch):
    reader = module("adaptive_diffusion.estimators.blip_reward").BlipReward
    monkeypatch.setattr(reader, "cut", lambda self, prompts: [f"read in part: {prompts[0]}"])
    run = comfy_app.run(graph("long", PROMPTS[:2]))
    assert run.error is None and run.texts["calibrate"] == f"fitted\nread in part: {PROMPTS[0]}"


def test_a_name_that_is_taken_by_other_pairs_is_refused_and_nothing_is_lost(comfy_app, folder):
    comfy_app.run(graph("taken"))
    before = (folder / "pairs" / "taken.safetensors").read_bytes()
    error = comfy_app.fails(graph("taken", teacher_steps=4))
    assert error == "Calibrate Gate: pairs 'taken' exists with teacher steps 3 instead of 4; choose another name"
    assert (folder / "pairs" / "taken.safetensors").read_bytes() == before


def test_the_name_of_a_table_is_refused(comfy_app, folder):
    (folder / "percentiles").mkdir(parents=True)
    (folder / "percentiles" / "mine.json").write_text('{"50": 0.5}')
    assert "there is a percentile table called 'mine' already" in comfy_app.fails(graph("mine"))


def test_any_graphs_pairs_are_added_once(comfy_app, uncached_app, fitted):
    assert comfy_app.run(by_hand(PROMPTS[:2])).error is None
    assert comfy_app.run(by_hand(PROMPTS[:4])).error is None
    assert uncached_app.run(by_hand(PROMPTS[:4])).error is None
    assert list(map(len, fitted)) == [2, 4, 4]


def test_too_few_pairs_are_kept_and_it_says_so(comfy_app, folder, monkeypatch):
    def refuse(pairs):
        raise ValueError("2 pairs are too few")

    monkeypatch.setattr(module("nodes.gate_from_scores"), "fit", refuse)
    error = comfy_app.fails(by_hand(PROMPTS[:2]))
    assert error == "Gate from Scores: 2 pairs are too few (2 pairs are kept; run again with more)"
    assert (folder / "pairs" / "by hand.safetensors").exists() and not (folder / "gates").exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"improved_scores": ["fewer", 0]}, "1 improved_scores came for 2 scores; let the teacher improve all images"),
        ({"judged_scores": ["scores", 0]}, "a judge must see both images of each pair; link judged_scores and"),
        (
            {"improved_scores": ["half", 0]},
            "the weights 6b8b0ce8cbe9b6a8 (dtype, weights); score both",
        ),
        (
            {"scores": ["blind", 0]},
            "the scores carry no features; link what Quality Score gives for",
        ),
    ],
)
def test_what_are_no_pairs_is_one_sentence(comfy_app, folder, change, sentence):
    made = by_hand(PROMPTS[:1]) if "blind" in str(change) else by_hand(PROMPTS[:2])
    second = made["improved_scores"]["inputs"]
    made |= {
        "one": changed(made, "gate", reject_indices="0")["gate"],
        "coarse": node("AdaptiveLoadEstimator", estimator="demo", dtype="float16"),
        "fewer": node("AdaptiveQualityScore", **second | {"images": ["student_images", 0], "decision": ["one", 0]}),
        "half": node("AdaptiveQualityScore", **second | {"estimator": ["coarse", 0]}),
        "blind": node("TestGive", name="blind"),
    }
    scored = {name: each for name, each in by_hand(PROMPTS[:1]).items() if name != "pairs"}
    [seen] = comfy_app.run(keep(scored, scores=["scores", 0])).kept["scores"]
    comfy_app.give["blind"] = replace(seen, features=None)
    error = comfy_app.fails(changed(made, "pairs", **change))
    assert error.startswith("Gate from Scores: ") and sentence in error
    assert not (folder / "gates").exists()
