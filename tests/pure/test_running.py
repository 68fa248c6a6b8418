import json
import math
from dataclasses import replace

import pytest

from adaptive_diffusion.gate.drift import WINDOW
from adaptive_diffusion.gate.percentiles import PercentileTable
from adaptive_diffusion.gate.running import COUNTED, FORMAT, RUNS, VERSION, RunningTable
from adaptive_diffusion.gate.student import Student

JUDGE = {"name": "Judge", "dtype": "float32"}
STUDENT = Student(name="turbo", steps=2, seed=7)
TABLE = PercentileTable.from_scores("mine", [float(i) for i in range(100)], JUDGE, STUDENT)


def start(table=TABLE, estimator=JUDGE, student=None) -> RunningTable:
    return RunningTable.start(table, estimator, student)


def names(count: int, first: int = 0) -> list[str]:
    return [f"image {first + i}" for i in range(count)]


def after(runs: int) -> RunningTable:
    """After so many runs of four images, harder than the table says."""
    running = start()
    for run in range(runs):
        _, running = running.judge([run % 40.0, 3.0, 60.0, 25.0], names(4, 4 * run), 50)
    return running


def test_what_was_saved_is_loaded_and_goes_on_alike(tmp_path):
    path, running = tmp_path / "new folder" / "mine.json", after(70)
    running.save(path)
    loaded = RunningTable.load(path)
    assert loaded == running
    assert loaded.judge([1.0], ["new"], 50) == running.judge([1.0], ["new"], 50)
    assert [file.name for file in path.parent.iterdir()] == ["mine.json"]


def test_a_person_reads_in_the_file_what_it_is_of_and_what_was_rejected(tmp_path):
    running = after(10)
    running.save(tmp_path / "mine.json")
    content = json.loads((tmp_path / "mine.json").read_text())
    assert (content["table"], content["estimator"]["name"], content["student"]["name"]) == ("mine", "Judge", "turbo")
    assert (content["images"], content["asked"], content["rejected"]) == (40, 20.0, running.tracked.rejected)
    assert str(running).startswith(f"following 40 images: {running.tracked.rejected} rejected, 20 asked for")


def test_an_image_is_counted_once_whatever_run_it_comes_in():
    _, running = after(10).judge([5.0, 90.0], ["image 3", "new"], 50)
    assert running.images == 41
    assert running.tracked.recent[-1] == 90.0
    assert running.tracked.asked == 20.5


def test_an_image_twice_in_a_run_is_counted_once():
    _, running = start().judge([5.0, 5.0, 6.0], ["a", "a", "b"], 50)
    assert running.images == 2
    assert running.tracked.recent[-2:] == (5.0, 6.0)


def test_the_same_run_again_gets_the_same_threshold_and_counts_nothing():
    first, once = start().judge([-50.0] * 30, names(30), 50)
    other, running = once.judge([-60.0] * 30, names(30, 30), 50)
    assert other != first
    again, twice = running.judge([-50.0] * 30, names(30), 50)
    assert again == first
    assert twice == running


def test_the_same_images_at_another_k_are_judged_anew_and_not_counted():
    first, once = start().judge([10.0, 20.0], names(2), 50)
    other, twice = once.judge([10.0, 20.0], names(2), 80)
    assert other > first
    assert (twice.images, twice.tracked) == (2, once.tracked)


@pytest.mark.parametrize("k", [0, 100])
def test_all_or_none_leaves_strict_json(k, tmp_path):
    threshold, running = start().judge([1.0], ["a"], k)
    assert threshold == (math.inf if k else -math.inf)
    running.save(tmp_path / "mine.json")
    json.loads((tmp_path / "mine.json").read_text(), parse_constant=pytest.fail)
    assert running.judge([1.0], ["a"], k) == (threshold, running)


def test_the_file_does_not_grow_for_ever(tmp_path):
    running, sizes = start(), []
    for run in range(3 * COUNTED // 64):
        scores = [(7 * i + run) % 101 + 0.123456789012345 for i in range(64)]
        _, running = running.judge(scores, [f"{64 * run + i:016x}" for i in range(64)], 50)
        if run % 64 == 63:
            running.save(tmp_path / "mine.json")
            sizes.append((tmp_path / "mine.json").stat().st_size)
    assert (len(running.counted), len(running.judged), len(running.tracked.recent)) == (COUNTED, RUNS, WINDOW)
    assert sizes[-1] <= sizes[-2] + 200 <= 100_000
    newest, oldest = running.counted[-1], f"{0:016x}"
    assert running.judge([0.0, 1.0], [newest, oldest], 20)[1].images == running.images + 1


def test_every_student_estimator_and_table_has_a_file_of_its_own():
    other_table = PercentileTable.from_scores("other", TABLE.scores, JUDGE, STUDENT)
    kinds = [
        start(),
        start(estimator={**JUDGE, "dtype": "float16"}),
        start(student=Student(name="turbo", steps=4)),
        start(table=other_table),
    ]
    assert len({kind.name for kind in kinds}) == len(kinds)
    assert start().name.startswith("mine ")


@pytest.mark.parametrize("estimator", [JUDGE, {**JUDGE, "weights": "0123"}])
def test_what_was_kept_before_prompts_were_known_to_be_text_alone_goes_on(estimator, tmp_path):
    before = Student(name="turbo", steps=2, patch_digest="none", dtype="float32")
    start(estimator=estimator, student=before).judge_in(tmp_path, [1.0], ["one"], 50)
    now = start(estimator=estimator, student=replace(before, conditioning="none"))
    _, running = now.judge_in(tmp_path, [2.0], ["two"], 50)
    assert running.images == 2
    assert [path.stem for path in tmp_path.glob("*.json")] == [running.name]
    other = start(estimator=estimator, student=replace(before, conditioning="an area"))
    assert other.judge_in(tmp_path, [2.0], ["two"], 50)[1].images == 1


def test_a_linked_student_is_the_tables_own_whatever_its_seed():
    assert start(student=STUDENT).name == start(student=Student(name="turbo", steps=2, seed=8)).name == start().name


@pytest.mark.parametrize(
    "change",
    [
        {"recent": [0.0]},
        {"recent": [math.nan] * WINDOW},
        {"recent": ["high"] * WINDOW},
        {"recent": None},
        {"rejected": None},
        {"asked": math.inf},
        {"images": "many"},
        {"judged": {"run": None}},
        {"judged": []},
        {"counted": 5},
        {"counted": [5]},
        {"table": 5},
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(change, tmp_path):
    path = tmp_path / "mine.json"
    after(2).save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match="running table 'mine' is damaged; delete mine.json to begin again"):
        RunningTable.load(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "\xff", '{"format": "adaptive-diffusion running table"'])
def test_what_is_no_complete_object_is_refused(text, tmp_path):
    path = tmp_path / "mine.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match="running table 'mine' is damaged; delete mine.json to begin again"):
        RunningTable.load(path)


@pytest.mark.parametrize("change", [{"version": VERSION + 1}, {"format": "adaptive-diffusion percentiles"}])
def test_another_format_or_a_newer_version_is_refused_by_name(change, tmp_path):
    path = tmp_path / "mine.json"
    start().save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=f"this pack reads '{FORMAT}' version {VERSION}; delete mine.json"):
        RunningTable.load(path)


@pytest.mark.parametrize("part", ["recent", "rejected", "asked", "images", "judged", "counted", "table", "student"])
def test_a_missing_part_is_refused(part, tmp_path):
    path = tmp_path / "mine.json"
    start().save(path)
    content = json.loads(path.read_text())
    del content[part]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="running table 'mine' is damaged"):
        RunningTable.load(path)
