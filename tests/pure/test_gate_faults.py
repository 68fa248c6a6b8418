"""Calibrations, gates and tunings of one name, or begun again otherwise: nothing is mixed, and nothing is lost."""

import json
import shlex
import warnings
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
import torch

from adaptive_diffusion.__main__ import main
from adaptive_diffusion.commands import tuned_command
from adaptive_diffusion.gate import journal as journals
from adaptive_diffusion.gate.fitting import fit
from adaptive_diffusion.gate.journal import Journal
from adaptive_diffusion.gate.judge import Judge
from adaptive_diffusion.gate.learned import LearnedGate
from adaptive_diffusion.numeric import Range
from tests.pure.test_learned_gate import made

NEGATIVE = ["--negative=blue"]
TUNE = ["tune", "--prompts=demo", "--count=50", "--student-steps=1", "--sigma=0.7"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)


def refused(capsys, *words: str) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main([*words])
    assert end.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("more", [NEGATIVE, ["--rollback-scale=variance"]])
def test_pairs_that_were_drawn_with_less_said_are_other_pairs(capsys, more):
    words = ["calibrate", "--prompts=demo", "--count=40", "--gate=g.safetensors"]
    main(words)
    assert "(none)" in (told := refused(capsys, *words, *more)) or "(diffusers)" in told
    main(words)


def test_a_table_that_was_drawn_without_a_negative_is_another(capsys):
    words = ["calibrate", "--prompts=demo", "--count=20", "--student-cfg=3", "--out=t.json"]
    main(words)
    assert "student negative (none) instead of blue" in refused(capsys, *words, *NEGATIVE)


@pytest.mark.parametrize("more", [NEGATIVE, ["--rollback-scale=variance"]])
def test_a_tuning_that_was_drawn_with_less_said_is_another(capsys, more):
    main([*TUNE, "--out=a"])
    refused(capsys, *TUNE, "--out=a", *more)


def test_a_gate_with_another_teacher_says_so(capsys):
    words = ["generate", "a large red circle on sky", "--gate=Demo gate", "--k=100"]
    main([*words, "--out=a"])
    main([*words, "--out=b", "--rollback-scale=schedule"])
    assert "another teacher" not in capsys.readouterr().err
    main([*words, "--out=c", "--teacher-steps=1", "--strategy=regenerate"])
    told = capsys.readouterr().err
    assert (
        "fitted to another teacher: teacher strategy regenerate instead of refine, teacher steps 1 instead of 5" in told
    )


def test_a_table_and_a_tuning_of_one_name_leave_each_other_alone(capsys):
    table = ["calibrate", "--prompts=demo", "--count=20", "--out=mine.json"]
    main(table)
    before = Path("mine.json").read_bytes()
    assert "is there already, of something else" in refused(capsys, *TUNE, "--out=mine")
    assert Path("mine.json").read_bytes() == before
    Path("mine.json").rename("kept.json")
    main([*TUNE, "--out=mine"])
    journal = Path("mine.journal").read_bytes()
    for name in ("mine.json", "mine.safetensors"):
        Path(name).unlink(missing_ok=True)
    assert "kind tuning instead of table" in refused(capsys, *table).replace("'", "")
    Path("kept.json").rename("mine.json")
    main(table)
    assert Path("mine.journal").read_bytes() == journal


def test_a_journal_of_before_goes_on(tmp_path):
    about = {"batch": 2}
    old = Journal(tmp_path / "a.journal", about)
    old.add(0, {"scores": [1.0, 2.0]})
    assert Journal(tmp_path / "a.journal", {journals.KIND: "table", **about}).rows.keys() == {0, 1}


@pytest.mark.parametrize(
    "line",
    [
        {"first": 2, "scores": [1.0, 2.0]},
        {"first": 2, "scores": [[1.0, 2.0], [1.0, 2.0]], "features": [[0.0], [1.0]]},
        {"first": 2, "scores": [1.0, 2.0], "features": [[0.0, 1.0], [1.0, 1.0]]},
    ],
)
def test_a_line_of_another_shape_is_damage(tmp_path, line):
    path = tmp_path / "a.journal"
    Journal(path, {}).add(0, {"scores": [1.0, 2.0], "features": [[0.0], [1.0]]})
    path.write_bytes(path.read_bytes() + json.dumps(line).encode() + b"\n")
    with pytest.raises(ValueError, match="is damaged; delete it"):
        Journal(path, {})


def test_a_gate_takes_no_others_file(capsys):
    Path("sdxl.safetensors").write_text("precious")
    words = ["calibrate", "--prompts=demo", "--count=40"]
    assert "is there already, and not its pairs" in refused(capsys, *words, "--gate=sdxl.safetensors")
    assert "is called as pairs are" in refused(capsys, *words, "--gate=a.pairs.safetensors")
    assert Path("sdxl.safetensors").read_text() == "precious"


def test_pairs_and_gate_of_one_name_are_refused_and_nothing_is_written(capsys):
    made(60).save(Path("a.safetensors"))
    assert "give them two names" in refused(capsys, "merge-pairs", "a.safetensors", "--out=y", "--gate=y")
    made(3).save(Path("b.safetensors"))
    refused(capsys, "merge-pairs", "b.safetensors", "--out=z.safetensors", "--gate=y.safetensors")
    assert not Path("y").exists()
    assert not Path("z.safetensors").exists()


def test_equal_scores_are_told_without_a_warning():
    pairs = made(60)
    pairs = replace(pairs, judged=numpy.zeros((60, 2)), about=replace(pairs.about, judge=Judge("J")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="better in none of 60"):
            fit(pairs)


def test_a_judge_without_a_gate_and_a_name_that_is_none_are_told(capsys):
    assert "name the gate to fit" in refused(capsys, "calibrate", "--prompts=demo", "--out=a.json", "--judge=oracle")
    assert "which is no name" in refused(capsys, *TUNE, "--out=.")
    assert "finite number from 0 on" in str(Range(low=0))


@pytest.mark.parametrize(("sigma", "judge", "budget"), [("0.7", "oracle", "4"), ("0.01", "oracle", "16")])
def test_the_command_that_is_told_parses_and_draws_what_was_chosen(capsys, sigma, judge, budget):
    more = [f"--sigma={sigma}", f"--judge={judge}", f"--budget={budget}", "--teacher-steps=8", "--out=ü n"]
    main([*TUNE, *more, *NEGATIVE])
    line = next(line for line in capsys.readouterr().out.splitlines() if "To draw so" in line)
    words = shlex.split(line.split("To draw so: ")[1].split(" This puts")[0])[3:]
    words[1:2] = ["a large red circle on sky"]
    main([word.replace("FOLDER", "drawn") for word in words])
    assert "--negative=blue" in words
    assert len([*Path("drawn").glob("*.png")]) == 1


def test_what_generate_does_not_draw_is_told():
    from types import SimpleNamespace as Of

    tuned = Of(chosen=Of(point=Of(name="best of N", number=3)))
    assert "Best of N draws so, with 3 candidates" in tuned_command.tuned_command(Of(), tuned, Path("g"))


def test_a_gate_that_was_fitted_here_is_read(tmp_path):
    gate = fit(made(120), "g")
    gate.save(tmp_path / "g.safetensors")
    assert LearnedGate.load(tmp_path / "g.safetensors").count == 120
