"""Pairs are journalled, gone on with and kept as a calibration is."""

import os
from dataclasses import replace

import numpy
import pytest

from adaptive_diffusion.gate.calibration import calibrate
from adaptive_diffusion.gate.pairing import PairTask
from adaptive_diffusion.gate.pairs import Pairs
from adaptive_diffusion.gate.student import Student
from adaptive_diffusion.gate.teacher import Teacher
from tests.processes import every_kill, needs_fork

PROMPTS = [f"prompt {i}" for i in range(11)]
TASK = PairTask(
    {"name": "Judge", "dtype": "float32"},
    Student("turbo", 2, 1.0),
    PROMPTS,
    5,
    3,
    teacher=Teacher("slow", "refine", 12, 8.0, rollback=0.7, rollback_scale="schedule"),
    judge={"name": "Better", "dtype": "float32"},
    feature_names="three numbers",
)
RANDOM = numpy.random.default_rng(2)
COLUMNS = {
    "scores": RANDOM.normal(size=11),
    "features": RANDOM.normal(size=(11, 3)).astype(numpy.float32),
    "teacher_scores": RANDOM.normal(size=11),
    "judged": RANDOM.normal(size=(11, 2)),
}


def draw(starts):
    for first in starts:
        yield first, {name: values[first : first + 3] for name, values in COLUMNS.items()}


def run(path, task=TASK) -> list[int]:
    """Draw the pairs; the prompts that were drawn."""
    drawn: list[int] = []

    def noted(starts):
        for first, columns in draw(starts):
            yield first, columns
            drawn.extend(range(first, first + len(columns["scores"])))

    pairs = calibrate(path, task, noted, lambda _: None)
    assert same(pairs, Pairs.load(path))
    return drawn


def same(one: Pairs, other: Pairs) -> bool:
    """Whether they are, but for the moment they were made at."""
    undated = [replace(pairs, about=replace(pairs.about, created="")).content for pairs in (one, other)]
    return undated[0] == undated[1]


def test_each_pair_holds_what_was_found_of_its_prompt(tmp_path):
    run(tmp_path / "mine.safetensors")
    pairs = Pairs.load(tmp_path / "mine.safetensors")
    for name, values in COLUMNS.items():
        assert (getattr(pairs, name) == values[pairs.numbers]).all()
    assert (pairs.seeds == 5 + pairs.numbers).all()
    about = pairs.about
    assert (about.student, about.teacher, about.features) == (TASK.student, TASK.teacher, "three numbers")
    assert (about.estimator.name, about.judge.name, about.prompts["count"]) == ("Judge", "Better", 11)
    assert os.listdir(tmp_path) == ["mine.safetensors"]


@needs_fork
def test_killed_at_every_change_to_the_disk_it_goes_on_to_the_same_pairs_and_leaves_nothing(tmp_path):
    run(tmp_path / "whole" / "mine.safetensors")
    whole = Pairs.load(tmp_path / "whole" / "mine.safetensors")
    for moment in every_kill(run, lambda moment: (tmp_path / str(moment) / "mine.safetensors",)):
        path = tmp_path / str(moment) / "mine.safetensors"
        lines = path.with_suffix(".journal").read_bytes().count(b"\n") if path.with_suffix(".journal").exists() else 0
        kept = 11 if path.exists() else min(11, max(0, lines - 1) * 3)
        assert run(path) == list(range(kept, 11))
        assert same(Pairs.load(path), whole)
        assert os.listdir(path.parent) == ["mine.safetensors"]
    assert moment > 20


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"teacher": replace(TASK.teacher, steps=8)}, "teacher steps 12 instead of 8"),
        ({"teacher": replace(TASK.teacher, name="other")}, "teacher name slow instead of other"),
        ({"student": replace(TASK.student, steps=4)}, "student steps 2 instead of 4"),
        ({"estimator": {"name": "Demo", "dtype": "float32"}}, "estimator {'dtype': 'float32', 'name': 'Judge'}"),
        ({"judge": {}}, "judge {'dtype': 'float32', 'name': 'Better'} instead of {}"),
        ({"seed": 6}, "prompts "),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_pairs_of_anything_else_are_refused_and_kept(tmp_path, change, sentence, finished):
    path = tmp_path / "mine.safetensors"
    if finished:
        run(path)
    else:
        with pytest.raises(KeyboardInterrupt):
            calibrate(path, TASK, interrupted, lambda _: None)
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    with pytest.raises(ValueError, match="^(pairs|an unfinished calibration) 'mine' .*choose another name") as told:
        run(path, replace(TASK, **change))
    assert sentence in str(told.value)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


def interrupted(starts):
    yield from draw(starts[:2])
    raise KeyboardInterrupt
