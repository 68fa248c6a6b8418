"""The commands by which several processes draw one run, and what they say of what cannot be."""

import os
import sys

import pytest

from adaptive_diffusion import __main__
from adaptive_diffusion.bundled import TABLES
from adaptive_diffusion.commands.sharing import finish
from adaptive_diffusion.gate.percentiles import PercentileTable
from adaptive_diffusion.prompts import described
from adaptive_diffusion.scale import sharded, stores
from adaptive_diffusion.scale.drawing import Progress
from adaptive_diffusion.standalone import runs

PROMPTS = [f"a {colour} circle on sky" for colour in ("red", "green", "blue", "yellow", "purple")]
QUICK = ["--student-steps=1", "--teacher-steps=1", "--unit=2", "--batch=2"]


@pytest.fixture
def generate(tmp_path):
    (tmp_path / "prompts.txt").write_text("\n".join(PROMPTS))

    def command(out: str, *words: str) -> None:
        own = [f"--prompts={tmp_path / 'prompts.txt'}", f"--out={tmp_path / out}", *QUICK]
        __main__.main(["generate", *own, *words])

    return command


def sentence(capsys, command, *words) -> str:
    with pytest.raises(SystemExit):
        command(*words)
    return capsys.readouterr().err.strip().splitlines()[-1].removeprefix("error: ")


def content(folder) -> dict:
    records = [{**record, "seconds": None} for record in runs.read(folder)]
    return {path.name: path.read_bytes() for path in folder.glob("*.png")} | {"records": records}


def test_shares_collect_to_what_one_process_draws_whatever_the_clocks_say(generate, tmp_path):
    generate("one")
    generate("shards", "--shard=2/2")
    for number, path in enumerate(sorted((tmp_path / "shards").iterdir())):
        os.utime(path, (4e9 * (number % 2),) * 2)
    generate("shards", "--shard=1/2")
    left = tmp_path / "shards" / ".unit-000000001.tar.4711.part"
    left.write_text("what a killed process left")
    generate("shards", "--shard=1/1")
    assert not left.exists()
    __main__.main(["collect", str(tmp_path / "shards"), f"--out={tmp_path / 'out'}"])
    assert content(tmp_path / "out") == content(tmp_path / "one")
    assert any(record["verdict"] != "accepted" for record in runs.read(tmp_path / "out"))


def test_a_table_that_is_changed_during_the_run_is_told_and_nothing_is_drawn(generate, tmp_path, capsys):
    table = PercentileTable.load(TABLES / "Demo.json")
    path = tmp_path / "mine.json"
    table.save(path)
    generate("shards", "--shard=1/2", f"--table={path}")
    changed = PercentileTable.from_scores("mine", [score + 1 for score in table.scores], table.estimator)
    changed.save(path)
    told = sentence(capsys, generate, "shards", "--shard=2/2", f"--table={path}")
    assert "has threshold" in told and told.endswith("choose another folder, or the same settings to go on with it")
    assert sharded.existing(stores.Folder(tmp_path / "shards")).missing() == [1]


def test_a_dry_run_says_what_would_be_drawn_and_leaves_no_trace(generate, tmp_path, capsys):
    generate("shards", "--shard=1/2", "--dry-run")
    told = capsys.readouterr().out.strip()
    assert told == f"5 images in 3 units of 2; 3 of them, in 2 units, would be drawn into {tmp_path / 'shards'}"
    assert not (tmp_path / "shards").exists()


def test_a_folder_of_shards_takes_no_images_and_keeps_all_that_it_has(generate, tmp_path, capsys):
    shards = tmp_path / "shards"
    generate("shards", "--shard=1/2")
    before = {path.name: path.read_bytes() for path in shards.iterdir()}
    told = f"'{shards}' holds 'adaptive-diffusion shards'; choose another folder for images"
    assert sentence(capsys, generate, "shards") == told
    assert {path.name: path.read_bytes() for path in shards.iterdir()} == before
    generate("shards", "--shard=2/2")
    assert sentence(capsys, lambda: __main__.main(["collect", str(shards), f"--out={shards}"])) == told


def test_a_run_in_shards_that_has_none_yet_takes_no_images_either(generate, tmp_path, capsys):
    generate("shards", "--shard=1/2")
    for path in (tmp_path / "shards").glob("unit-*"):
        path.unlink()
    assert "holds 'adaptive-diffusion shards'" in sentence(capsys, generate, "shards")
    assert sharded.existing(stores.Folder(tmp_path / "shards")).total == len(PROMPTS)


WRONG = {
    "images in a store": (
        ["--out=s3://name:key@b/run"],
        "--out is 's3://b/run', but images go to a folder; name",
    ),
    "workers of no cluster": (
        ["--workers=2"],
        "--workers is 2, but only a --cluster has workers; give both",
    ),
    "workers of a share": (["--workers=2", "--shard=1/1"], "--workers is 2, but only a --cluster has workers; give"),
    "a cluster of no name": (["--cluster= "], "--cluster is ' '; write host:port, or give the option alone"),
    "more prompts than there are": (
        ["--shard=1/1", "--count=200000"],
        "'prompts.txt' holds 5 different prompts, few",
    ),
    "too many in one process": (["--count=200000"], "count is 200000; choose 0 for all prompts, or a number up to 100"),
    "a dry run of no shards": (["--dry-run"], "--dry-run says what would be drawn into shards; give --shard 1/1, or"),
    "split without a cluster": (["--split"], "--split gives student and teacher to different workers of a --cluster"),
    "split without a teacher": (["--split", "--cluster", "--k=0"], "--split gives student and teacher to different"),
    "no share": (["--shard=3/2"], "--shard is '3/2'; write 1/8 to 8/8 for eight processes"),
    "no store": (["--shard=1/1", "--out=nowhere://a"], "'nowhere://a' cannot be opened"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_is_one_sentence(generate, capsys, case):
    words, told = WRONG[case]
    assert sentence(capsys, generate, "out", *words).startswith(told)


@pytest.mark.parametrize(
    "words",
    [["calibrate", "--prompts=demo", "--out=x.json"], ["tune", "--prompts=demo", "--out=x"], ["evaluate", "x"]],
)
def test_workers_without_a_cluster_are_one_sentence(capsys, words):
    told = sentence(capsys, __main__.main, [*words, "--workers=2"])
    assert told == "--workers is 2, but only a --cluster has workers; give both, or neither"


@pytest.mark.parametrize(
    ("library", "words"),
    [("ray", ["--cluster"]), ("pyarrow", ["--shard=1/1", "--out=s3://bucket/run"])],
)
def test_a_missing_library_is_one_sentence(generate, capsys, monkeypatch, library, words):
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    told = sentence(capsys, generate, "out", *words)
    assert told == f"{library} is not installed; run: pip install 'adaptive-diffusion[cluster]'"


def test_where_each_of_the_first_eight_units_ends_its_worker_the_others_are_not_tried(tmp_path):
    prompts = [f"prompt {i}" for i in range(12)]
    run = sharded.opened(stores.Folder(tmp_path), {"prompts": described(prompts, 0)}, prompts, 1)
    with pytest.raises(ValueError, match="^none of the first 8 units could be drawn, so the others were not tried; "):
        finish(run, run.missing(), (Progress(unit, 0, 0, 0.0, "") for unit in range(12)))
    finish(run, run.missing(), (Progress(unit, int(unit == 7), 0, 0.0, "") for unit in range(12)))
