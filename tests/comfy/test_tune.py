"""Tuning the demo models in ComfyUI's own executor."""

import itertools
import json

import comfy.model_management
import numpy
import pytest
from graphs import changed, demo_prompts, gate_calibration_graph, keep, tuning_graph

import nodes as core

from .test_estimators import count
from .tools import module

PROMPTS = demo_prompts(16)


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """The user's files in a folder of this test."""
    for name in ("tables", "gates", "presets"):
        monkeypatch.setattr(module(f"host.files.{name}"), "user_tables", lambda: tmp_path / "user" / "percentiles")
    monkeypatch.setattr(module("adaptive_diffusion.gate.tuning"), "LEAST_PROMPTS", 8)
    return tmp_path / "user"


def graph(name: str = "mine", prompts=PROMPTS, **changes) -> dict:
    made = tuning_graph(name, prompts, **changes)
    links = {"picture": 0, "table": 1, "gate": 2, "k": 3}
    return keep(made, **{key: ["calibrate", slot] for key, slot in links.items()})


def journal(folder, name: str = "mine") -> list[dict]:
    """The batches that a tuning drew, in their order."""
    return [json.loads(line) for line in (folder / "tuning" / f"{name}.journal").read_text().splitlines()[1:]]


def scores(batches: list[dict]) -> dict[str, list[float]]:
    """The scores of each series, in the prompts' order."""
    found: dict[str, dict[int, float]] = {}
    for batch in batches:
        found.setdefault(batch["series"], {}).update(enumerate(batch["scores"], batch["first"]))
    return {series: [each[number] for number in sorted(each)] for series, each in found.items()}


def test_it_shows_a_picture_and_a_table_and_keeps_a_preset_and_a_gate(comfy_app, folder):
    run = comfy_app.run(graph(teacher_steps="5", student_steps="1, 2"))
    assert run.error is None
    [picture], [table], [gate], [k] = (run.kept[name] for name in ("picture", "table", "gate", "k"))
    assert picture.shape[0] == 1 and picture.shape[3] == 3 and picture.std() > 0.02
    assert "| the student alone in 1 step |" in table and "| the teacher alone in 5 steps |" in table
    assert table.startswith("At 3 evaluations an image, take ") and "At 6 evaluations an image, take " in table
    kept = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    learned = type(gate).__name__ == "LearnedGate"
    expected = "gates/mine.safetensors" if learned else "percentiles/mine scores.json"
    assert kept == {"tuning/mine.journal", "presets/mine.json", expected}
    assert "mine" in module("host.files.presets").presets()
    preset = module("host.files.presets").preset_named("mine")
    assert (preset.teacher.model, preset.teacher.steps, preset.teacher.cfg) == ("teacher", 5, 2.0)
    assert (preset.student.sampler, preset.student.scheduler, preset.size) == ("euler", "trailing", 64)
    shown = run.ui["calibrate"]
    assert shown["images"] and shown["adaptive_tune"][0]["choices"][0]["budget"] == 3.0
    assert shown["adaptive_tune"][0]["choices"][0]["evaluations"] <= 3.0 and 0 <= k <= 100
    assert run.texts["calibrate"].startswith("At 3 evaluations an image, take ")


def test_every_way_is_drawn_as_the_calibrations_of_its_settings_draw_it(comfy_app, folder, monkeypatch):
    """What a tuning finds of a setting is what Calibrate Gate finds of it."""
    found = []
    monkeypatch.setattr(module("nodes.calibrate_gate"), "fit", lambda pairs: found.append(pairs) or pairs)
    monkeypatch.setattr(module("nodes.calibrate_gate"), "summary", lambda gate: "fitted")
    monkeypatch.setattr(module("adaptive_diffusion.gate.pairs").Pairs, "save", lambda self, path: None)
    assert comfy_app.run(gate_calibration_graph("own", PROMPTS, batch=8, teacher_steps=3)).error is None
    [pairs] = found
    assert comfy_app.run(graph(student_steps="2", teacher_steps="3", budgets="")).error is None
    drawn, order = scores(journal(folder)), numpy.argsort(pairs.numbers)
    assert drawn["student 2"] == pytest.approx(pairs.scores[order])
    assert drawn["refine 2 3 0.7"] == pytest.approx(pairs.teacher_scores[order])
    others = {f"student 2 candidate {number}" for number in (1, 2, 3)}
    assert set(drawn) == {"student 2", "refine 2 3 0.7", "regenerate 3", *others}
    assert {len(each) for each in drawn.values()} == {len(PROMPTS)}
    assert abs(numpy.array(drawn["student 2"]) - drawn["student 2 candidate 1"]).max() > 0.1


def test_interrupted_it_goes_on_to_the_same_gate_and_draws_nothing_twice(comfy_app, folder, monkeypatch):
    few = {"student_steps": "1", "teacher_steps": "3", "budgets": "8"}
    assert comfy_app.run(graph("whole", **few)).error is None
    judge = module("host.estimator").HostedEstimator
    original, calls, stops = judge.read, itertools.count(), {1, 5, 9}

    def stopped(self, images, prompts):
        if next(calls) in stops:
            comfy.model_management.interrupt_current_processing()
            comfy.model_management.throw_exception_if_processing_interrupted()
        return original(self, images, prompts)

    monkeypatch.setattr(judge, "read", stopped)
    for _ in range(3):
        assert "table" not in comfy_app.run(graph("cut", **few)).kept
    assert comfy_app.run(graph("cut", **few)).error is None
    whole, cut = journal(folder, "whole"), journal(folder, "cut")
    assert scores(whole) == scores(cut) and len(whole) == len(cut) == next(calls) - len(stops)
    kept = [path.read_bytes() for path in folder.rglob("*.safetensors")]
    assert len({*kept}) == min(1, len(kept))


def test_other_budgets_draw_nothing(comfy_app, monkeypatch):
    few = {"student_steps": "1", "teacher_steps": "3"}
    assert comfy_app.run(graph(**few, budgets="3")).error is None
    decoded = count(monkeypatch, core.VAEDecode, "decode")
    run = comfy_app.run(graph(**few, budgets="5"))
    assert run.error is None and decoded == []
    assert run.kept["table"][0].startswith("At 5 evaluations an image, take ")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "LCM-SDXL + SDXL"}, "'LCM-SDXL + SDXL' is a preset of the pack itself; choose another name"),
        ({"name": "../up"}, "'../up' cannot name a table"),
        ({"student_steps": "1, two"}, "student_steps is '1, two'; write whole numbers such as 1, 2"),
        ({"teacher_steps": "2.5"}, "teacher_steps is '2.5'; write whole numbers such as 1, 2"),
        ({"student_steps": " "}, "student_steps is empty; write at least one number"),
        ({"rollback": "0.7 x"}, "rollback is '0.7 x'; write numbers such as 1, 2"),
        ({"rollback": "1.5"}, "rollback is 1.5; in scale 'schedule' choose a value above 0 and at most 1"),
        ({"budgets": "-3"}, "budgets holds -3; write numbers above 0"),
        ({"teacher_negative": None}, "the teacher runs at cfg 2, which needs a negative"),
        ({"teacher_scheduler": "leading"}, "scheduler 'leading' cannot refine"),
    ],
)
def test_what_cannot_be_tuned_is_one_sentence_and_nothing_is_drawn(comfy_app, folder, monkeypatch, change, sentence):
    decoded = count(monkeypatch, core.VAEDecode, "decode")
    error = comfy_app.fails(changed(graph(), "calibrate", **change))
    assert error.startswith("Tune: ") and sentence in error
    assert decoded == [] and not folder.exists()


def test_too_few_prompts_are_refused(comfy_app, folder):
    assert "7 prompts tell too little to choose by; give at least 8" in comfy_app.fails(graph(prompts=PROMPTS[:7]))


@pytest.mark.parametrize("taken", ["gates/mine.safetensors", "presets/mine.json", "percentiles/mine scores.json"])
def test_what_another_work_is_called_is_not_taken(comfy_app, folder, taken):
    (folder / taken).parent.mkdir(parents=True)
    (folder / taken).write_bytes(b"precious")
    run = comfy_app.run(graph(teacher_steps="5", student_steps="1"))
    assert "called 'mine' already; choose another name" in str(run.error)
    assert (folder / taken).read_bytes() == b"precious"
    assert not (folder / "tuning").exists()


def test_the_gate_of_an_earlier_choice_goes(folder):
    tuned = module("host.tuned")
    paths = tuned.TunedPaths(*(folder / name for name in ("mine.journal", "mine.json", "mine.safetensors", "s.json")))
    folder.mkdir(parents=True)
    paths.gate.write_bytes(b"earlier")

    class Table(tuned.PercentileTable):
        def __init__(self):
            pass

        def save(self, path):
            path.write_bytes(b"scores")

    with pytest.MonkeyPatch.context() as within:
        within.setattr(tuned, "gate_of", lambda *_: Table())
        within.setattr(tuned, "preset_of", lambda _: None)
        within.setattr(tuned, "save_preset", lambda path, _: path.write_bytes(b"preset"))
        tuned.keep(None, paths)
    assert not paths.gate.exists()
    assert paths.table.read_bytes() == b"scores"
