"""Two processes never write one file at once, and nothing is left of one that was killed."""

import os
import time

import pytest

from adaptive_diffusion import locks
from adaptive_diffusion.__main__ import main
from adaptive_diffusion.gate.percentiles import PercentileTable
from adaptive_diffusion.gate.running import RunningTable
from adaptive_diffusion.gate.student import Student
from tests.processes import at_once, every_kill, in_another_process, needs_fork, start

JUDGE = {"name": "Judge", "dtype": "float32"}
STUDENT = Student("turbo", 2)
FIRST = PercentileTable.from_scores("mine", [float(i) for i in range(100)], JUDGE, STUDENT)


def count_up(path, times: int) -> None:
    for _ in range(times):
        with locks.locked(path):
            number = int(path.read_text()) if path.exists() else 0
            time.sleep(0.0005)
            path.write_text(str(number + 1))


@needs_fork
def test_what_is_read_to_be_written_again_is_read_by_one_process_at_a_time(tmp_path):
    assert at_once(count_up, *[(tmp_path / "count", 60)] * 4) == [0] * 4
    assert (tmp_path / "count").read_text() == "240"
    assert os.listdir(tmp_path) == ["count"]


def test_a_lock_goes_with_its_holder_even_where_that_fails(tmp_path):
    with pytest.raises(KeyError), locks.locked(tmp_path / "new" / "a"):
        raise KeyError
    assert os.listdir(tmp_path / "new") == []


def die_holding(path) -> None:
    with locks.locked(path):
        path.with_name(f".{path.name}.{os.getpid()}.part").write_text("half")
        os._exit(9)


@needs_fork
def test_what_a_killed_process_left_stands_in_nobodys_way_and_is_swept(tmp_path):
    (tmp_path / ".other.json.7.part").write_text("another's")
    assert in_another_process(die_holding, tmp_path / "a.json") == 9
    assert len(os.listdir(tmp_path)) == 3
    with locks.locked(tmp_path / "a.json", patience=0):
        assert sorted(os.listdir(tmp_path)) == [".a.json.lock", ".other.json.7.part"]
    assert os.listdir(tmp_path) == [".other.json.7.part"]


def hold(path, seconds: float) -> None:
    with locks.locked(path):
        path.with_name(f".{path.name}.{os.getpid()}.part").write_text("half")
        path.touch()
        time.sleep(seconds)


@pytest.fixture
def holder(tmp_path):
    """Another process that writes to a.json."""
    process = start(hold, tmp_path / "a.json", 60)
    while not (tmp_path / "a.json").exists():
        time.sleep(0.01)
    yield process
    process.kill()
    process.join()


@needs_fork
def test_a_folder_is_swept_of_what_the_dead_left_and_the_living_keep_theirs(tmp_path, holder):
    (tmp_path / ".b.json.lock").touch()
    (tmp_path / f".b.json.{os.getpid()}.part").touch()
    (tmp_path / ".c.json.12.part").touch()
    (tmp_path / ".hidden").touch()
    locks.sweep(tmp_path)
    kept = {f".a.json.{holder.pid}.part", ".a.json.lock", ".hidden", "a.json"}
    assert {*os.listdir(tmp_path)} == kept
    locks.sweep(tmp_path / "nowhere")


@needs_fork
def test_who_waits_too_long_is_told(tmp_path, holder):
    with (
        pytest.raises(
            locks.Busy, match=r"^another process is writing to '.*a.json'; wait for it, or choose another name"
        ),
        locks.locked(tmp_path / "a.json", patience=0.1),
    ):
        pass
    with locks.locked(tmp_path / "b.json", patience=0):
        pass


def test_a_place_that_cannot_be_written_to_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    for name, reason in (("a" * 300, "File name too long.; choose a shorter name"), ("file/a", "look at its folder")):
        with pytest.raises(ValueError, match=f"cannot be written .*{reason}"), locks.locked(tmp_path / name):
            pass


def add_scores(path, first: int, count: int) -> None:
    for i in range(first, first + count):
        PercentileTable.from_scores(path.stem, [float(i)], JUDGE, STUDENT).add_to(path)


@needs_fork
def test_two_processes_that_add_40_scores_each_to_one_table_end_with_80(tmp_path):
    path = tmp_path / "mine.json"
    assert at_once(add_scores, (path, 0, 40), (path, 40, 40)) == [0, 0]
    assert PercentileTable.load(path).scores == tuple(map(float, range(80)))
    assert os.listdir(tmp_path) == ["mine.json"]


@needs_fork
def test_a_table_killed_at_every_change_to_the_disk_has_the_old_scores_or_the_new(tmp_path):
    def prepared(moment: int) -> tuple:
        add_scores(tmp_path / str(moment) / "mine.json", 0, 1)
        return tmp_path / str(moment) / "mine.json", 1, 1

    for moment in every_kill(add_scores, prepared):
        path = tmp_path / str(moment) / "mine.json"
        kept = PercentileTable.load(path).scores
        assert kept in ((0.0,), (0.0, 1.0))
        add_scores(path, 2, 1)
        assert PercentileTable.load(path).scores == (*kept, 2.0)
        assert os.listdir(path.parent) == ["mine.json"]
    assert moment > 8


def follow(folder, first: int, count: int) -> None:
    """Runs of one image each, judged by the running table and counted there."""
    for i in range(first, first + count):
        RunningTable.start(FIRST, JUDGE, None).judge_in(folder, [float(i)], [f"image {i}"], 50)


def running(folder) -> RunningTable:
    [path] = folder.iterdir()
    return RunningTable.load(path)


@needs_fork
def test_two_processes_that_follow_count_every_image_in_one_running_table(tmp_path):
    assert at_once(follow, (tmp_path, 0, 40), (tmp_path, 40, 40)) == [0, 0]
    kept = running(tmp_path)
    assert kept.images == 80 and {*kept.counted} == {f"image {i}" for i in range(80)}


@needs_fork
def test_a_running_table_killed_at_every_change_to_the_disk_loses_no_run_before(tmp_path):
    def prepared(moment: int) -> tuple:
        follow(tmp_path / str(moment), 0, 1)
        return tmp_path / str(moment), 1, 1

    for moment in every_kill(follow, prepared):
        folder = tmp_path / str(moment)
        follow(folder, 2, 1)
        kept = running(folder)
        assert kept.counted in (("image 0", "image 2"), ("image 0", "image 1", "image 2"))
    assert moment > 8


def merge(folder, out: str) -> None:
    main(["merge-tables", str(folder / "a.json"), str(folder / "b.json"), "--out", str(folder / f"{out}.json")])


def two_tables(folder) -> None:
    add_scores(folder / "a.json", 0, 3)
    add_scores(folder / "b.json", 3, 3)


@needs_fork
def test_tables_merged_into_one_file_by_two_processes_are_merged_by_one_of_them(tmp_path, capfd):
    two_tables(tmp_path)
    assert sorted(at_once(merge, (tmp_path, "out"), (tmp_path, "out"))) == [0, 2]
    assert capfd.readouterr().err.startswith(f"error: '{tmp_path / 'out.json'}' is there already")
    assert len(PercentileTable.load(tmp_path / "out.json").scores) == 6
    assert sorted(os.listdir(tmp_path)) == ["a.json", "b.json", "out.json"]


@needs_fork
def test_a_merge_killed_at_every_change_to_the_disk_is_done_or_not(tmp_path):
    def prepared(moment: int) -> tuple:
        two_tables(tmp_path / str(moment))
        return tmp_path / str(moment), "out"

    for moment in every_kill(merge, prepared):
        folder = tmp_path / str(moment)
        if not (folder / "out.json").exists():
            merge(folder, "out")
        assert len(PercentileTable.load(folder / "out.json").scores) == 6
        with locks.locked(folder / "out.json", patience=0):
            pass
        assert sorted(os.listdir(folder)) == ["a.json", "b.json", "out.json"]
    assert moment > 8


def test_a_file_that_an_earlier_version_began_goes_on_under_its_new_name(tmp_path):
    known = Student("turbo", 2, patch_digest="none", dtype="float16")
    early = RunningTable.start(FIRST, JUDGE, STUDENT)
    early.judge_in(tmp_path, [5.0], ["image 5"], 50)
    RunningTable.start(FIRST, JUDGE, known).judge_in(tmp_path, [6.0], ["image 6"], 50)
    kept = running(tmp_path)
    assert kept.counted == ("image 5", "image 6") and kept.student == known.settings
    assert os.listdir(tmp_path) == [f"{kept.name}.json"]
    patched = Student("turbo", 2, patches="1 weights patched", patch_digest="abc")
    early.judge_in(tmp_path, [5.0], ["image 5"], 50)
    RunningTable.start(FIRST, JUDGE, patched).judge_in(tmp_path, [6.0], ["image 6"], 50)
    assert len(os.listdir(tmp_path)) == 3
