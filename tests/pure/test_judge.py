"""Estimators of one kind with other weights share no table, running table or calibration."""

import json
import os
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from adaptive_diffusion import estimators
from adaptive_diffusion.bundled import TABLES
from adaptive_diffusion.digest import weights_digest
from adaptive_diffusion.estimators.convert import convert
from adaptive_diffusion.gate.calibration import Task, calibrate
from adaptive_diffusion.gate.decision import QualityScores
from adaptive_diffusion.gate.judge import Judge
from adaptive_diffusion.gate.percentiles import PercentileTable
from adaptive_diffusion.gate.running import RunningTable
from adaptive_diffusion.gate.student import Student
from adaptive_diffusion.gate.verdicts import regrouped
from adaptive_diffusion.standalone import demo

from .test_estimators import SETTINGS, random_state

OLD, ONE, OTHER = Judge("HPSv2.1", "float32"), Judge("HPSv2.1", "float32", "1a"), Judge("HPSv2.1", "float32", "2b")
STUDENT = Student("turbo", 2)


def table(judge: Judge, name: str = "mine") -> PercentileTable:
    return PercentileTable.from_scores(name, [1.0, 2.0, 3.0], judge.settings, STUDENT)


def loaded(path, state, settings=SETTINGS, dtype: str = "float32") -> str:
    save_file(state, path, metadata=settings.metadata())
    return estimators.load(path, dtype=dtype).weights


def test_files_are_told_apart_by_their_weights_and_settings_and_not_by_name_or_format(tmp_path):
    state = random_state()
    known = loaded(tmp_path / "a.safetensors", state)
    assert len(known) == 16 and loaded(tmp_path / "other name.safetensors", state) == known
    for key in ("mlp.layers.7.bias", "blip.text_encoder.encoder.layer.1.output.dense.weight"):
        assert loaded(tmp_path / "b.safetensors", state | {key: state[key] + 0.01}) != known, key
    assert loaded(tmp_path / "c.safetensors", state, replace(SETTINGS, score_mean=0.3)) != known
    assert loaded(tmp_path / "d.safetensors", state, dtype="float16") != known


def test_a_converted_file_is_the_same_estimator(tmp_path, monkeypatch):
    save_file(random_state(), tmp_path / "a.safetensors", metadata=SETTINGS.metadata())
    converted = convert(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    assert estimators.load(converted).weights == estimators.load(tmp_path / "a.safetensors").weights


def test_the_demos_estimator_is_the_same_everywhere_and_its_table_knows_it():
    judge = Judge.of(demo.load_estimator())
    assert judge == Judge("Demo", "float32", "6b8b0ce8cbe9b6a8")
    bundled = PercentileTable.load(TABLES / "Demo.json")
    assert "weights" not in bundled.estimator
    bundled.check_estimator(judge)


def test_a_table_of_other_weights_is_refused_and_names_both():
    with pytest.raises(ValueError) as told:
        table(ONE).check_estimator(OTHER)
    assert str(told.value) == (
        "table 'mine' was made for HPSv2.1 with the weights 1a, but the scores are of HPSv2.1 with the weights 2b; "
        "load the file that the table was made with, or calibrate with this one"
    )
    table(ONE).check_estimator(ONE)


def test_a_table_of_before_and_scores_of_before_match_as_ever(tmp_path):
    path = tmp_path / "mine.json"
    table(OLD).save(path)
    assert json.loads(path.read_text())["estimator"] == {"dtype": "float32", "name": "HPSv2.1"}
    PercentileTable.load(path).check_estimator(ONE)
    table(ONE).check_estimator(OLD)
    PercentileTable("official", {50.0: 0.5}).check_estimator(ONE)
    with pytest.raises(ValueError, match="choose a table of PickScore"):
        table(ONE).check_estimator(Judge("PickScore", "float32", "1a"))


def test_weights_stand_in_the_file(tmp_path):
    table(ONE).save(tmp_path / "mine.json")
    assert PercentileTable.load(tmp_path / "mine.json").estimator == {**OLD.settings, "weights": "1a"}


def test_tables_of_other_weights_are_not_merged_and_those_of_before_are():
    with pytest.raises(ValueError, match="'mine' and 'yours' differ in estimator weights: '1a' and '2b'; merge only"):
        table(ONE).merge(table(OTHER, "yours"))
    assert table(ONE).merge(table(ONE)).estimator == ONE.settings
    assert table(ONE).merge(table(OLD)).estimator == table(OLD).merge(table(ONE)).estimator == OLD.settings


def follow(folder, judge: Judge, number: int) -> None:
    RunningTable.start(table(OLD), judge.settings, None).judge_in(folder, [2.0], [f"image {number}"], 50)


def test_a_running_table_follows_one_file_of_weights(tmp_path):
    for number, judge in enumerate((ONE, OTHER, ONE)):
        follow(tmp_path, judge, number)
    kept = [RunningTable.load(path) for path in tmp_path.iterdir()]
    assert {running.estimator["weights"]: running.images for running in kept} == {"1a": 2, "2b": 1}


def test_a_running_table_of_before_goes_on_with_the_first_that_comes(tmp_path):
    for number, judge in enumerate((OLD, OLD, ONE, OTHER, ONE)):
        follow(tmp_path, judge, number)
    kept = [RunningTable.load(path) for path in tmp_path.iterdir()]
    assert {running.estimator["weights"]: running.images for running in kept} == {"1a": 4, "2b": 1}


def task(judge: Judge) -> Task:
    return Task(judge.settings, STUDENT, ["a", "b"], 0, 1)


def score(starts):
    for first in starts:
        yield first, {"scores": [float(first)]}


def stopped(starts):
    yield from score(starts[:1])
    raise KeyboardInterrupt


def run(path, judge: Judge, scored=score) -> PercentileTable:
    return calibrate(path, task(judge), scored, lambda _: None)


def test_a_calibration_of_before_is_finished_or_gone_on_with(tmp_path):
    path = tmp_path / "mine.json"
    with pytest.raises(KeyboardInterrupt):
        run(path, OLD, stopped)
    assert run(path, ONE).scores == (0.0, 1.0) and os.listdir(tmp_path) == ["mine.json"]
    run(path.with_name("old.json"), OLD)
    assert run(path.with_name("old.json"), ONE, stopped).scores == (0.0, 1.0)


def test_a_calibration_with_other_weights_is_refused(tmp_path):
    path = tmp_path / "mine.json"
    with pytest.raises(KeyboardInterrupt):
        run(path, ONE, stopped)
    with pytest.raises(ValueError, match="an unfinished calibration 'mine' has estimator .*1a.* instead of .*2b"):
        run(path, OTHER)
    run(path, ONE)
    with pytest.raises(ValueError, match="table 'mine' exists with estimator .*1a.* instead of .*2b.*; choose"):
        run(path, OTHER)


def test_scores_keep_who_gave_them():
    scores = QualityScores.by(ONE, [1.0, 2.0])
    assert scores.judge == scores.pick([1]).judge == ONE
    assert [part.judge for part in regrouped([scores], [1, 1])] == [ONE, ONE]
    mixed = [QualityScores.by(ONE, [1.0]), QualityScores.by(OTHER, [2.0])]
    assert regrouped(mixed, [2]) == mixed
    assert QualityScores((1.0,)).judge == Judge("external", "float32")


def test_an_estimator_of_another_make_need_not_know_its_weights():
    class Mine:
        name, dtype = "mine", "float32"

    assert Judge.of(Mine()).settings == {"name": "mine", "dtype": "float32"}


def test_weights_are_read_in_part_and_a_change_anywhere_in_a_tensor_of_few_is_seen():
    many, few = torch.zeros(10_000), torch.zeros(64)
    known = weights_digest({"many": many, "few": few})
    assert weights_digest({"few": few, "many": many}) == known
    for place in range(64):
        few[place] = 1.0
        assert weights_digest({"many": many, "few": few}) != known
        few[place] = 0.0
    assert weights_digest({"many": many.double(), "few": few}) != known
    assert weights_digest({"many": many + 1e-6, "few": few}) != known
