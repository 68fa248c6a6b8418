"""A disk that is full, or a place that may not be written to: one sentence that names the file and the fix."""

import errno
import os

import pytest
from safetensors import SafetensorError

from adaptive_diffusion import files
from adaptive_diffusion.__main__ import main
from adaptive_diffusion.gate.calibration import Task, calibrate
from adaptive_diffusion.gate.percentiles import PercentileTable
from adaptive_diffusion.gate.student import Student

from .test_estimators import SETTINGS, random_state, write

JUDGE = {"name": "Judge", "dtype": "float32"}
TABLE = PercentileTable.from_scores("mine", [1.0, 2.0], JUDGE)
REFUSED = {
    errno.ENOSPC: "free some space and run it again",
    errno.EROFS: "choose a place that you may write to",
    errno.EACCES: "choose a place that you may write to",
    errno.EIO: "look at its folder and run it again",
}


@pytest.fixture(params=REFUSED)
def refusal(request, monkeypatch) -> str:
    """The system refuses what is written from now on; the end of the sentence on it."""

    def refuse(*_, **__):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(files, "_write", refuse)
    return f"cannot be written ({os.strerror(request.param)}); {REFUSED[request.param]}"


def test_a_table(tmp_path, refusal):
    with pytest.raises(ValueError) as told:
        TABLE.save(tmp_path / "mine.json")
    assert str(told.value) == f"'{tmp_path / 'mine.json'}' {refusal}"
    assert os.listdir(tmp_path) == []


def test_a_calibration(tmp_path, refusal):
    task = Task(JUDGE, Student("a"), ["one", "two"], 0, 1)
    with pytest.raises(ValueError) as told:
        calibrate(tmp_path / "mine.json", task, lambda starts: ((i, {"scores": [0.5]}) for i in starts), lambda _: None)
    assert str(told.value) == f"'{tmp_path / 'mine.journal'}' {refusal}"


def test_merged_tables(tmp_path, capsys, monkeypatch):
    for name in ("a", "b"):
        TABLE.save(tmp_path / f"{name}.json")

    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_write", refuse)
    with pytest.raises(SystemExit, match="^2$"):
        main(["merge-tables", *(str(tmp_path / f"{name}.json") for name in "ab"), "--out", str(tmp_path / "c.json")])
    fix = "free some space and run it again"
    assert (
        capsys.readouterr().err
        == f"error: '{tmp_path / 'c.json'}' cannot be written (No space left on device); {fix}\n"
    )


def test_the_weights_that_convert_writes(tmp_path, capsys, monkeypatch):
    def refuse(*_):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("adaptive_diffusion.estimators.convert.save_file", refuse)
    write(tmp_path / "whole.safetensors", random_state(), SETTINGS)
    with pytest.raises(SystemExit, match="^2$"):
        main(["convert", str(tmp_path / "whole.safetensors"), "--out", str(tmp_path / "new.safetensors")])
    said = capsys.readouterr().err
    assert said.startswith(f"error: '{tmp_path / 'new.safetensors'}' cannot be written (") and "No space left" in said
    assert sorted(os.listdir(tmp_path)) == ["whole.safetensors"]


LONG = "a" * 300


@pytest.mark.parametrize(
    "command",
    [
        ["merge-tables", "a.json", "a.json", "--out", f"{LONG}.json"],
        ["merge-tables", f"{LONG}.json", "a.json", "--out", "c.json"],
        ["convert", "a.json", "--out", f"{LONG}.safetensors"],
        ["generate", "a large red circle on sky", "--out", LONG],
        ["calibrate", "--prompts", f"{LONG}.txt", "--out", "c.json"],
        ["demo", "--out", f"{LONG}.png"],
    ],
    ids=lambda command: " ".join(command)[:20],
)
def test_a_name_of_300_letters_is_one_sentence(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    TABLE.save(tmp_path / "a.json")
    with pytest.raises(SystemExit, match="^2$"):
        main(command)
    said = capsys.readouterr().err.splitlines()[-1]
    assert "File name too long" in said and "Errno" not in said and said.startswith("error: '")
