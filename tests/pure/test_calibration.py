"""A calibration survives kills, other processes and people who remove its folder."""

import os
import shutil
import time
from functools import partial

import pytest

from adaptive_diffusion.gate.calibration import Task, calibrate
from adaptive_diffusion.gate.percentiles import PercentileTable
from adaptive_diffusion.gate.student import Student
from adaptive_diffusion.locks import locked
from tests.processes import at_once, every_kill, needs_fork, start

JUDGE = {"name": "Judge", "dtype": "float32"}
PROMPTS = [f"prompt {i}" for i in range(11)]
TASK = Task(JUDGE, Student("turbo", 2, 1.0), PROMPTS, 5, 3)
SCORES = tuple(sorted(i / 7 for i in range(11)))


def score_batches(starts):
    for first in starts:
        yield first, {"scores": [i / 7 for i in range(first, min(first + 3, 11))]}


def run(path, score=score_batches, task=TASK) -> list[int]:
    """Calibrate; the prompts that were scored."""
    scored: list[int] = []

    def noted(starts):
        for first, columns in score(starts):
            yield first, columns
            scored.extend(range(first, first + len(columns["scores"])))

    table = calibrate(path, task, noted, lambda _: None)
    assert table.scores == PercentileTable.load(path).scores == SCORES
    return scored


def whole(path) -> bytes:
    """A table's bytes but for the moment it was made at."""
    return b"".join(line for line in path.read_bytes().splitlines(True) if b'"created"' not in line)


@needs_fork
def test_killed_at_every_change_to_the_disk_it_goes_on_to_the_same_table_and_leaves_nothing(tmp_path):
    run(tmp_path / "whole" / "mine.json")
    for moment in every_kill(run, lambda moment: (tmp_path / str(moment) / "mine.json",)):
        path = tmp_path / str(moment) / "mine.json"
        lines = path.with_suffix(".journal").read_bytes().count(b"\n") if path.with_suffix(".journal").exists() else 0
        kept = 11 if path.exists() else min(11, max(0, lines - 1) * 3)
        assert run(path) == list(range(kept, 11))
        assert whole(path) == whole(tmp_path / "whole" / "mine.json")
        assert os.listdir(path.parent) == ["mine.json"]
    assert moment > 20


def slowly(starts):
    for batch in score_batches(starts):
        time.sleep(0.2)
        yield batch


def calibrate_slowly(path) -> None:
    run(path, slowly)


@needs_fork
def test_a_second_process_waits_for_the_first_and_scores_nothing(tmp_path):
    path = tmp_path / "mine.json"
    first = start(calibrate_slowly, path)
    while not path.with_suffix(".journal").exists():
        time.sleep(0.01)
    assert run(path) == []
    first.join()
    assert first.exitcode == 0 and os.listdir(tmp_path) == ["mine.json"]


@needs_fork
def test_a_second_process_is_told_where_the_first_takes_long(tmp_path, monkeypatch):
    path = tmp_path / "mine.json"
    first = start(calibrate_slowly, path)
    while not path.with_suffix(".journal").exists():
        time.sleep(0.01)
    monkeypatch.setattr("adaptive_diffusion.gate.calibration.locked", partial(locked, patience=0.1))
    with pytest.raises(
        ValueError, match=r"^another process is writing to '.*mine.json'; wait for it, or choose another"
    ):
        run(path)
    first.join()
    assert first.exitcode == 0 and PercentileTable.load(path).scores == SCORES


def run_named(folder, name: str) -> None:
    run(folder / f"{name}.json", slowly)


@needs_fork
def test_calibrations_of_two_names_run_side_by_side_in_one_folder(tmp_path):
    begun = time.monotonic()
    assert at_once(run_named, (tmp_path, "a"), (tmp_path, "b")) == [0, 0]
    assert time.monotonic() - begun < 10
    assert sorted(os.listdir(tmp_path)) == ["a.json", "b.json"]


@pytest.mark.parametrize("what", ["folder", "journal"])
@pytest.mark.parametrize("after", [1, 3])
def test_what_someone_removed_meanwhile_is_written_again(tmp_path, what, after):
    path = tmp_path / "user" / "mine.json"

    def removed(starts):
        for number, batch in enumerate(score_batches(starts)):
            if number == after:
                shutil.rmtree(tmp_path / "user") if what == "folder" else path.with_suffix(".journal").unlink()
            yield batch

    assert run(path, removed) == list(range(11))
    assert os.listdir(path.parent) == ["mine.json"]


@pytest.mark.parametrize("after", [1, 3])
def test_stopped_after_its_folder_was_removed_it_still_goes_on_where_it_was(tmp_path, after):
    path = tmp_path / "user" / "mine.json"

    def removed(starts):
        for number, batch in enumerate(score_batches(starts)):
            if number == after:
                shutil.rmtree(tmp_path / "user")
            yield batch
            if number == after:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(path, removed)
    assert run(path) == list(range(min(11, 3 * after + 3), 11))


def test_a_journal_whose_batches_are_not_whole_is_gone_on_with(tmp_path):
    path = tmp_path / "mine.json"

    def stopped(starts):
        yield from [(0, {"scores": [0.0]}), (3, {"scores": [3 / 7, 4 / 7, 5 / 7]})]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(path, stopped)
    assert run(path) == [0, 1, 2, *range(6, 11)]


def test_a_journal_beside_its_finished_table_is_swept(tmp_path):
    path = tmp_path / "mine.json"
    run(path)
    path.with_suffix(".journal").write_text("left by a process that was killed before it could remove it")
    assert run(path) == [] and os.listdir(tmp_path) == ["mine.json"]
