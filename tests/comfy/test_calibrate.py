"""Calibrating on the demo models in ComfyUI's own executor."""

import itertools

import comfy.model_management
import numpy
import pytest
import torch
from graphs import calibration_graph, node

import nodes as core

from .test_estimators import count
from .tools import module

PROMPTS = [
    f"a {size} {colour} {shape} on sky"
    for size, colour, shape in itertools.product(("small", "large"), ("red", "green", "blue"), ("circle", "cross"))
]


def graph(name: str, prompts=PROMPTS, **settings) -> dict:
    return calibration_graph(name, prompts, **settings) | {
        "kept": node("TestKeep", value=["calibrate", 0], name="table")
    }


def one_by_one(seed: int = 7, **settings) -> dict:
    """Every prompt through Student Sample itself, with seed + i."""
    made = graph("unused", **settings)
    drawn = {
        "seeds": node("TestNumbers", text=" ".join(str(seed + i) for i in range(len(PROMPTS)))),
        "texts": node("CLIPTextEncode", clip=["models", 1], text=["prompts", 0]),
        "images": node("VAEDecode", samples=["student", 0], vae=["models", 2]),
        "scores": node("AdaptiveQualityScore", estimator=["estimator", 0], images=["images", 0], prompt=["prompts", 0]),
        "values": node("TestKeep", value=["scores", 1], name="values"),
    }
    made["student"]["inputs"] |= {"positive": ["texts", 0], "negative": ["texts", 0], "seed": ["seeds", 1]}
    kept = ("models", "empty", "student", "estimator", "prompts")
    return {key: made[key] for key in kept} | drawn


@pytest.fixture(autouse=True)
def tables(monkeypatch, tmp_path):
    """The user's tables in a folder of this test."""
    folders = module("host.files.tables")
    monkeypatch.setattr(folders, "user_tables", lambda: tmp_path / "tables")
    return tmp_path / "tables"


def scores(run) -> tuple[float, ...]:
    assert run.error is None
    return run.kept["table"][0].scores


def test_the_scores_are_those_of_student_sample_with_seed_plus_number(comfy_app, tables):
    made = numpy.array(scores(comfy_app.run(graph("one"))))
    alone = numpy.array(comfy_app.run(one_by_one()).kept["values"])
    assert len(alone) == len(PROMPTS) and alone.std() > 0.1
    difference = abs(made - numpy.sort(alone))
    assert numpy.median(difference) <= 1e-5
    assert difference.max() <= 1e-3, "more than a few 8-bit values that flip, as decoding in batches rounds otherwise"
    assert abs(made - numpy.array(scores(comfy_app.run(graph("two", seed=8))))).max() > 0.01


def test_a_schedule_that_runs_another_number_of_steps_is_repeated_as_student_sample_runs_it(comfy_app):
    asked = {"scheduler": "ddim_uniform", "steps": 7}
    [table] = comfy_app.run(graph("seven", batch=1, **asked)).kept["table"]
    alone = comfy_app.run(one_by_one(**asked)).kept["values"]
    assert table.student["steps"] == 7
    assert table.scores == pytest.approx(sorted(alone), abs=1e-5)


def test_the_table_is_saved_offered_and_described(comfy_app, tables):
    run = comfy_app.run(graph("my own", batch=5))
    table = module("adaptive_diffusion.gate.percentiles").PercentileTable.load(tables / "my own.json")
    assert table.scores == scores(run)
    assert [path.name for path in tables.iterdir()] == ["my own.json"]
    assert "my own" in module("host.files.tables").table_choices()
    assert table.estimator == {"name": "Demo", "dtype": "float32", "weights": "6b8b0ce8cbe9b6a8"}
    assert (table.student["steps"], table.student["sampler"], table.student["width"]) == (2, "euler", 64)
    assert (table.prompts["count"], table.prompts["seed"]) == (len(PROMPTS), 7)
    assert run.ui["calibrate"]["adaptive_table"][0]["count"] == len(PROMPTS)


def interrupt_at(monkeypatch, scored: int) -> None:
    """Press ComfyUI's stop button while batch number `scored` is being scored."""
    judge = module("host.estimator").HostedEstimator
    calls, score = itertools.count(), judge.score

    def stopped(self, images, prompts):
        if next(calls) == scored:
            comfy.model_management.interrupt_current_processing()
            comfy.model_management.throw_exception_if_processing_interrupted()
        return score(self, images, prompts)

    monkeypatch.setattr(judge, "score", stopped)


@pytest.mark.parametrize("scored", [0, 1, 2])
def test_an_interrupted_run_goes_on_to_the_same_bits_and_draws_nothing_twice(comfy_app, tables, monkeypatch, scored):
    whole = scores(comfy_app.run(graph("whole")))
    with monkeypatch.context() as patch:
        interrupt_at(patch, scored)
        assert "table" not in comfy_app.run(graph("cut")).kept
    assert [path.name for path in tables.iterdir() if path.name.startswith("cut")] == ["cut.journal"]
    encoded = count(monkeypatch, core.CLIPTextEncode, "encode")
    assert scores(comfy_app.run(graph("cut"))) == whole
    assert len(encoded) == len(PROMPTS) - 4 * scored
    assert sorted(path.name for path in tables.iterdir()) == ["cut.json", "whole.json"]


def test_a_finished_calibration_draws_nothing_again(comfy_app, uncached_app, monkeypatch):
    first = scores(comfy_app.run(graph("done")))
    decoded = count(monkeypatch, core.VAEDecode, "decode")
    assert scores(uncached_app.run(graph("done"))) == first
    assert decoded == []


def test_models_take_turns_once_for_many_batches(comfy_app, monkeypatch):
    turns: list[str] = []
    watched = [
        (core.CLIPTextEncode, "encode", "text"),
        (module("host.sampling.calibration"), "draw_all", "draw"),
        (core.VAEDecode, "decode", "decode"),
    ]
    for owner, name, what in watched:
        original = getattr(owner, name)
        monkeypatch.setattr(
            owner, name, lambda *args, run=original, what=what, **kw: (turns.append(what), run(*args, **kw))[1]
        )
    comfy_app.run(graph("turns", batch=2))
    order = [what for what, _ in itertools.groupby(turns)]
    assert order[-3:] == ["text", "draw", "decode"] and order.count("draw") == 1
    assert turns.count("draw") == turns.count("decode") == len(PROMPTS) // 2


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "../up"}, "'../up' cannot name a table"),
        ({"prompts": ["a red circle on sky", " ", "a blue circle on sky"]}, "empty prompt"),
        ({"denoise": 0.5}, "schedule trailing from 0.5, which cannot be repeated"),
        ({"cfg": 2.0}, "the student runs at cfg 2, which needs a negative"),
        ({"sampler_name": "euler_cfg_pp"}, "the student runs at cfg 1, which needs a negative"),
    ],
)
def test_what_cannot_be_calibrated_is_refused_before_anything_is_written(comfy_app, tables, change, sentence):
    error = comfy_app.fails(graph(**({"name": "no"} | change)))
    assert error.startswith("Calibrate: ") and sentence in error
    assert not tables.exists()


def test_a_prompt_that_the_estimator_does_not_read_to_its_end_is_told(comfy_app, monkeypatch):
    assert "calibrate" not in comfy_app.run(graph("short", PROMPTS[:4])).texts
    reader = module("adaptive_diffusion.estimators.blip_reward").BlipReward
    monkeypatch.setattr(reader, "cut", lambda self, prompts: [f"read in part: {prompts[0]}"])
    run = comfy_app.run(graph("long", PROMPTS[1:4]))
    assert run.error is None and run.texts["calibrate"] == f"read in part: {PROMPTS[1]}"


@pytest.mark.parametrize("change", [{"seed": 8}, {"prompts": PROMPTS[:-1]}, {"steps": 1}])
def test_a_name_that_is_taken_by_another_calibration_is_refused(comfy_app, tables, change):
    comfy_app.run(graph("taken"))
    before = (tables / "taken.json").read_bytes()
    error = comfy_app.fails(graph(**({"name": "taken"} | change)))
    assert error.startswith("Calibrate: table 'taken' exists with ") and error.endswith("choose another name")
    assert (tables / "taken.json").read_bytes() == before


def test_a_given_sampler_is_not_recorded_as_another(comfy_app):
    given = graph("given")
    given["sampler"] = node("KSamplerSelect", sampler_name="heun")
    given["student"]["inputs"]["sampler"] = ["sampler", 0]
    error = comfy_app.fails(given)
    assert "sampler given by a link" in error


def test_settings_of_another_student_are_refused(comfy_app, monkeypatch):
    names = iter(["one"])
    monkeypatch.setattr(module("host.sampling.student"), "model_name", lambda model: next(names, "two"))
    assert "the settings are of the student one, but the model is two" in comfy_app.fails(graph("mixed"))


def test_memory_does_not_grow_with_the_number_of_prompts(comfy_app, monkeypatch):
    alive: list[int] = []
    judge = module("host.estimator").HostedEstimator
    original = judge.score

    def watched(self, images, prompts):
        import gc

        alive.append(sum(t.numel() for t in gc.get_objects() if torch.is_tensor(t) and t.shape[-1:] == (3,)))
        return original(self, images, prompts)

    monkeypatch.setattr(judge, "score", watched)
    comfy_app.run(graph("many", prompts=PROMPTS * 4, batch=2))
    assert len(alive) == 24
    assert max(alive[2:]) <= alive[1] * 1.5
