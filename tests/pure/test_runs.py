"""A run's folder survives whatever stops it."""

import json
import os
import shutil
import stat

import pytest
from PIL import Image

from adaptive_diffusion.prompts import described
from adaptive_diffusion.standalone import runs
from tests.processes import every_kill, in_another_process, killed_at, needs_fork

TOTAL, UNIT = 7, 2
PROMPTS = [f"ö {i}" for i in range(TOTAL)]
ABOUT = {"prompts": described(PROMPTS, 0), "k": 50.0, "size": (64, 64), "batch": 1}


def image(index: int) -> bytes:
    return runs.png(Image.new("RGB", (4, 4), (index, 0, 0)))


def draw(folder, about=ABOUT, units: int = TOTAL, prompts=PROMPTS, unit=UNIT) -> list[int]:
    """Go on with the run for so many units; the numbers of the images that were drawn."""
    drawn: list[int] = []
    with runs.opened(folder, about, prompts, unit) as run:
        for rows in run.units[:units]:
            indices = range(rows.start, rows.stop)
            records = [{"index": i, "prompt": prompts[i], "image": runs.image_name(i)} for i in indices]
            drawn += [record["index"] for record in run.add([image(i) for i in indices], records)]
        assert units < len(prompts) or not run.missing
    return drawn


def content(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def in_whole_units(count: int) -> int:
    return count if count == TOTAL else count // UNIT * UNIT


def written_when(folder, count: int) -> list[int]:
    return [(folder / runs.image_name(i)).stat().st_mtime_ns for i in range(count)]


@pytest.fixture
def whole(tmp_path):
    assert draw(tmp_path / "whole") == list(range(TOTAL))
    return content(tmp_path / "whole")


def test_every_image_has_its_record_in_order(tmp_path, whole):
    records = runs.read(tmp_path / "whole")
    assert [record["index"] for record in records] == list(range(TOTAL))
    for record in records:
        with Image.open(tmp_path / "whole" / record["image"]) as kept:
            assert kept.getpixel((0, 0)) == (record["index"], 0, 0)
    assert set(whole) == {"run.json", "images.jsonl", *(record["image"] for record in records)}
    assert "ö 3" in whole["images.jsonl"].decode()


def test_a_complete_run_draws_nothing_and_changes_nothing(tmp_path, whole):
    assert draw(tmp_path / "whole") == []
    assert content(tmp_path / "whole") == whole


def test_wherever_the_records_were_cut_whole_units_stay_and_the_rest_is_drawn(tmp_path, whole):
    lines = whole["images.jsonl"]
    ends = [i + near for i, byte in enumerate(lines) if byte == ord("\n") for near in (0, 1, 2)]
    for length in sorted({0, *ends, *range(5, len(lines), 11)} - {len(lines) + 1}):
        folder = tmp_path / str(length)
        folder.mkdir()
        for name, data in whole.items():
            (folder / name).write_bytes(lines[:length] if name == "images.jsonl" else data)
        assert draw(folder) == list(range(in_whole_units(lines[:length].count(b"\n")), TOTAL))
        assert content(folder) == whole


@needs_fork
def test_killed_at_every_change_to_the_disk_it_goes_on_to_the_same_bytes(tmp_path, whole):
    for moment in every_kill(draw, lambda moment: (tmp_path / str(moment),)):
        folder = tmp_path / str(moment)
        kept = in_whole_units(len(runs.read(folder)))
        before = written_when(folder, kept)
        assert draw(folder) == list(range(kept, TOTAL))
        assert content(folder) == whole
        assert written_when(folder, kept) == before
    assert moment > 30


@needs_fork
def test_killed_again_and_again_it_still_ends_with_the_same_bytes(tmp_path, whole):
    folder = tmp_path / "often"
    for moment in range(2, 60):
        in_another_process(killed_at, moment % 11, draw, folder)
    draw(folder)
    assert content(folder) == whole


def test_an_image_without_a_record_is_not_left_behind(tmp_path):
    draw(tmp_path, units=1)
    (tmp_path / runs.image_name(5)).write_bytes(image(5))
    draw(tmp_path, units=0)
    assert {path.name for path in tmp_path.glob("*.png")} == {runs.image_name(i) for i in range(UNIT)}


def test_two_processes_cannot_write_to_one_run(tmp_path):
    with (
        runs.opened(tmp_path, ABOUT, PROMPTS, UNIT),
        pytest.raises(ValueError, match="another process is writing to '.*'; wait for it, or choose another folder"),
        runs.opened(tmp_path, ABOUT, PROMPTS, UNIT),
    ):
        pass


def of(prompts, seed: int = 0) -> dict:
    """What `draw` is given for other prompts."""
    return {"about": {**ABOUT, "prompts": described(prompts, seed)}, "prompts": prompts}


@pytest.mark.parametrize("units", [1, TOTAL])
def test_prompts_added_at_the_end_go_on_with_the_run_to_what_all_at_once_are(tmp_path, units):
    more = [*PROMPTS, "a", "b"]
    draw(tmp_path / "grown", units=units)
    before = written_when(tmp_path / "grown", 2)
    drawn = draw(tmp_path / "grown", **of(more))
    draw(tmp_path / "whole", **of(more))
    assert drawn == list(range(2 if units == 1 else TOTAL // UNIT * UNIT, len(more)))
    assert content(tmp_path / "grown") == content(tmp_path / "whole")
    assert written_when(tmp_path / "grown", 2) == before
    assert draw(tmp_path / "grown", **of(more)) == []


@pytest.mark.parametrize(
    ("prompts", "seed"),
    [(PROMPTS[:-1], 0), (["a", *PROMPTS], 0), ([*PROMPTS[:3], "a", *PROMPTS[4:], "b"], 0), ([*PROMPTS, "a"], 1)],
)
def test_fewer_or_other_prompts_or_seeds_are_refused_and_the_run_is_kept(tmp_path, prompts, seed):
    draw(tmp_path)
    before = content(tmp_path)
    with pytest.raises(ValueError, match="^the run in .* has prompts .*; choose another folder, or"):
        draw(tmp_path, **of(prompts, seed))
    assert content(tmp_path) == before


@pytest.mark.parametrize(("key", "value"), [("k", 30.0), ("size", None)])
def test_a_run_with_other_settings_is_refused_and_kept_once_it_has_an_image(tmp_path, key, value):
    other = {**ABOUT, key: value}
    draw(tmp_path, other, units=0)
    draw(tmp_path, units=1)
    before = content(tmp_path)
    with pytest.raises(ValueError, match=f"^the run in .* has {key} .* instead of .*; choose another folder, or"):
        draw(tmp_path, other)
    assert content(tmp_path) == before
    assert json.loads(before["run.json"])[key] == json.loads(json.dumps(ABOUT[key]))


def test_a_run_of_before_there_were_units_goes_on_batch_by_batch(tmp_path, whole):
    folder, about = tmp_path / "old", {**ABOUT, "batch": UNIT}
    draw(folder, about, units=1)
    kept = json.loads((folder / "run.json").read_text())
    del kept["unit"]
    (folder / "run.json").write_text(json.dumps(kept))
    with runs.opened(folder, about, PROMPTS) as run:
        assert run.units == [slice(2, 4), slice(4, 6), slice(6, 7)]
    with pytest.raises(ValueError, match="^the run in .* has unit 2 instead of 5; choose another folder, or"):
        draw(folder, about, unit=5)
    assert draw(folder, about, unit=None) == [2, 3, 4, 5, 6]
    assert json.loads((folder / "run.json").read_text()) == kept


def test_a_run_goes_on_with_its_own_unit_where_none_is_asked_for(tmp_path):
    draw(tmp_path / "own", units=1)
    with runs.opened(tmp_path / "own", ABOUT, PROMPTS) as run:
        assert run.unit == UNIT
    with runs.opened(tmp_path / "new", ABOUT, PROMPTS) as run:
        assert run.unit == runs.UNIT


def test_a_folder_of_something_else_is_refused_and_kept(tmp_path):
    (tmp_path / "00000.png").write_bytes(image(1))
    with pytest.raises(ValueError, match="holds files of something else; choose another folder"):
        draw(tmp_path)
    assert {name for name in content(tmp_path)} == {"00000.png"}


@pytest.mark.parametrize("line", ["no json", "[1]", '{"prompt": "a"}', '{"index": 3}', '{"index": "2"}'])
def test_damaged_records_are_refused_and_kept(tmp_path, line):
    draw(tmp_path, units=1)
    records = tmp_path / "images.jsonl"
    records.write_text(f"{records.read_text()}{line}\n{line}\n")
    before = content(tmp_path)
    with pytest.raises(ValueError, match="images.jsonl in '.*' is damaged; choose another folder"):
        draw(tmp_path)
    assert content(tmp_path) == before


def test_damaged_settings_are_refused(tmp_path):
    draw(tmp_path, units=1)
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(ValueError, match="run.json' is damaged; choose another folder"):
        draw(tmp_path)


def lose(path) -> None:
    path.unlink()


def cut(path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path) -> None:
    path.write_bytes(b"")


def fill_with_zeros(path) -> None:
    path.write_bytes(bytes(len(path.read_bytes())))


@pytest.mark.parametrize("spoil", [lose, cut, empty, fill_with_zeros])
@pytest.mark.parametrize("units", [2, TOTAL])
def test_an_image_that_is_gone_or_cut_is_drawn_again_in_its_unit_and_no_other_is_touched(tmp_path, whole, spoil, units):
    folder = tmp_path / "run"
    draw(folder, units=units)
    done = len(runs.read(folder))
    spoil(folder / runs.image_name(3))
    before = {i: os.stat(folder / runs.image_name(i)).st_mtime_ns for i in range(done) if i != 3}
    with runs.opened(folder, ABOUT, PROMPTS, UNIT) as run:
        assert (run.units[0], run.missing) == (slice(2, 4), TOTAL - done + 1)
    assert draw(folder) == [3, *range(done, TOTAL)]
    assert content(folder) == whole
    assert {i: os.stat(folder / runs.image_name(i)).st_mtime_ns for i in before} == before


@needs_fork
def test_killed_while_it_draws_a_lost_image_again_it_still_ends_with_the_same_bytes(tmp_path, whole):
    def spoiled(moment: int) -> tuple:
        draw(tmp_path / str(moment))
        lose(tmp_path / str(moment) / runs.image_name(3))
        cut(tmp_path / str(moment) / runs.image_name(6))
        return (tmp_path / str(moment),)

    for moment in every_kill(draw, spoiled):
        draw(tmp_path / str(moment))
        assert content(tmp_path / str(moment)) == whole
    assert moment > 10


def test_an_image_that_would_be_another_is_not_put_in_a_lost_ones_place(tmp_path):
    draw(tmp_path)
    lose(tmp_path / runs.image_name(3))
    before = content(tmp_path)
    with (
        runs.opened(tmp_path, ABOUT, PROMPTS, UNIT) as run,
        pytest.raises(
            ValueError, match="^00002.png is drawn otherwise here than it was .*; draw the run again in another"
        ),
    ):
        records = [{**record, "score": 0.5} for record in run.records[2:4]]
        run.add([image(2), image(3)], records)
    assert content(tmp_path) == before


def test_a_run_that_was_removed_while_it_was_drawn_is_one_sentence(tmp_path):
    folder = tmp_path / "run"
    with runs.opened(folder, ABOUT, PROMPTS, UNIT) as run:
        records = [{"index": i, "prompt": "", "image": runs.image_name(i)} for i in range(4)]
        run.add([image(0), image(1)], records[:2])
        shutil.rmtree(folder)
        with pytest.raises(
            ValueError, match=f"^the run in '{folder}' was removed while it was drawn; give the command"
        ):
            run.add([image(2), image(3)], records[2:])
    assert draw(folder) == list(range(TOTAL))


def test_names_are_on_disk_before_the_records_that_tell_of_them(tmp_path, monkeypatch):
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor):
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def replaced(source, target):
        done.append(os.path.basename(target))
        replace(source, target)

    with runs.opened(tmp_path, ABOUT, PROMPTS, UNIT) as run:
        monkeypatch.setattr(os, "fsync", synced)
        monkeypatch.setattr(os, "replace", replaced)
        records = [{"index": i, "prompt": "", "image": runs.image_name(i)} for i in range(2)]
        run.add([image(0), image(1)], records)
    pictures = ["file", "00000.png", "file", "00001.png", "folder"]
    assert done == [*pictures, "file", "folder"], "the records' own name comes last"
