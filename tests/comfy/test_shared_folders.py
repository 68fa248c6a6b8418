"""Tables that several servers write to, folders that are removed, disks that are full and names that are too long."""

import asyncio
import errno
import os
import pathlib
import shutil
import time
from functools import partial

import pytest
from graphs import adaptive_graph, calibration_graph, changed, demo_prompts, node

from .tools import module

PROMPTS = demo_prompts(12)


@pytest.fixture(autouse=True)
def tables(monkeypatch, tmp_path):
    """The user's tables in a folder of this test."""
    monkeypatch.setattr(module("host.files.tables"), "user_tables", lambda: tmp_path / "user" / "percentiles")
    return tmp_path / "user" / "percentiles"


def table_graph(name: str = "mine", numbers: str = "1.0 2.0") -> dict:
    return {
        "numbers": node("TestNumbers", text=numbers),
        "scores": node("TestGive", name="scores"),
        "table": node("AdaptiveTableFromScores", scores=["scores", 0], name=name),
    }


def scores(*values: float):
    return module("adaptive_diffusion.gate.decision").QualityScores(values, "Judge")


def load(path):
    return module("adaptive_diffusion.gate.percentiles").PercentileTable.load(path)


def test_scores_of_another_server_are_kept_beside_ones_own(uncached_app, tables):
    """Between reading the table and writing it no other process gets in."""
    uncached_app.give["scores"] = scores(1.0, 2.0)
    assert uncached_app.run(table_graph()).error is None
    percentiles = module("adaptive_diffusion.gate.percentiles")
    merge, others = percentiles.PercentileTable.merge, []

    def merged(self, other):
        child = os.fork()
        if not child:
            try:
                percentiles.PercentileTable.merge = merge
                percentiles.PercentileTable.from_scores("mine", [9.0], {"name": "Judge", "dtype": "float32"}).add_to(
                    tables / "mine.json"
                )
            finally:
                os._exit(0)
        others.append(child)
        return merge(self, other)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(percentiles.PercentileTable, "merge", merged)
        uncached_app.give["scores"] = scores(3.0)
        assert uncached_app.run(table_graph()).error is None
    for child in others:
        os.waitpid(child, 0)
    assert load(tables / "mine.json").scores == (1.0, 2.0, 3.0, 9.0)
    assert os.listdir(tables) == ["mine.json"]


def test_a_table_that_another_server_holds_is_told(comfy_app, tables, monkeypatch):
    locked, percentiles = module("adaptive_diffusion.locks").locked, module("adaptive_diffusion.gate.percentiles")
    comfy_app.give["scores"] = scores(1.0, 2.0)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        with locked(tables / "mine.json"):
            os.write(write, b"held")
            time.sleep(60)
        os._exit(0)
    os.read(read, 4)
    monkeypatch.setattr(percentiles, "locked", partial(locked, patience=0.1))
    try:
        error = comfy_app.fails(table_graph())
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert error.startswith(f"Table from Scores: another process is writing to '{tables / 'mine.json'}'; wait for it")


def test_what_killed_servers_left_is_swept_when_the_pack_loads(tables):
    running = tables.parent / "running"
    for folder in (tables, running):
        folder.mkdir(parents=True)
        (folder / "kept.json").write_text("{}")
        (folder / ".kept.json.4194304.part").write_text("half")
        (folder / ".gone.json.lock").touch()
    asyncio.run(module("nodes").AdaptiveDiffusionExtension().on_load())
    assert os.listdir(tables) == os.listdir(running) == ["kept.json"]


@pytest.mark.parametrize("batch", [0, 1, 2])
def test_calibrating_goes_on_where_its_folder_is_removed(comfy_app, tables, monkeypatch, batch):
    judge, seen = module("host.estimator").HostedEstimator, []
    score = judge.score

    def removed(self, images, prompts):
        if len(seen) == batch:
            shutil.rmtree(tables.parent)
        seen.append(len(images))
        return score(self, images, prompts)

    monkeypatch.setattr(judge, "score", removed)
    assert comfy_app.run(calibration_graph("mine", PROMPTS)).error is None
    assert len(load(tables / "mine.json").scores) == len(PROMPTS) == sum(seen)
    assert os.listdir(tables) == ["mine.json"]


@pytest.mark.parametrize("lines", [0, 1, 2, 4])
def test_calibrating_onto_a_full_disk_is_one_sentence_and_goes_on_when_there_is_space(
    uncached_app, tables, monkeypatch, lines
):
    files, written = module("adaptive_diffusion.files"), []

    def full(file, data, through):
        written.append(data)
        if len(written) > lines:
            raise OSError(errno.ENOSPC, "No space left on device")
        file.write(data)

    with monkeypatch.context() as patch:
        patch.setattr(files, "_write", full)
        error = uncached_app.fails(calibration_graph("mine", PROMPTS))
    name = "mine.json" if lines == 4 else "mine.journal"
    fix = "free some space and run it again"
    assert error == f"Calibrate: '{tables / name}' cannot be written (No space left on device); {fix}"
    judged = []
    score = module("host.estimator").HostedEstimator.score
    monkeypatch.setattr(
        module("host.estimator").HostedEstimator,
        "score",
        lambda self, images, prompts: (judged.append(len(images)), score(self, images, prompts))[1],
    )
    assert uncached_app.run(calibration_graph("mine", PROMPTS)).error is None
    assert sum(judged) == len(PROMPTS) - 4 * max(0, lines - 1)
    assert os.listdir(tables) == ["mine.json"]


def test_following_onto_a_full_disk_is_one_sentence(comfy_app, tables, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module("adaptive_diffusion.files"), "_write", full)
    error = comfy_app.fails(changed(adaptive_graph(), "gate", table="Demo", follow=True))
    assert error.startswith(f"Threshold Gate: '{tables.parent / 'running'}")
    assert error.endswith(".json' cannot be written (No space left on device); free some space and run it again")


@pytest.mark.parametrize("name", ["a" * 300, "é" * 150, "絵" * 100])
def test_a_name_too_long_for_a_file_is_one_sentence(comfy_app, tables, name):
    comfy_app.give["scores"] = scores(1.0, 2.0)
    for graph, title in ((table_graph(name), "Table from Scores"), (calibration_graph(name, PROMPTS), "Calibrate")):
        error = comfy_app.fails(graph)
        assert error.startswith(f"{title}: '") and "is too long for a file's name by" in error and len(error) < 320
    assert not tables.exists()


def test_the_longest_name_can_be_followed(comfy_app, tables):
    name = "a" * module("host.files.tables").LONGEST
    comfy_app.give["scores"] = scores(1.0, 2.0)
    assert comfy_app.run(table_graph(name)).error is None
    graph = {"numbers": node("TestNumbers", text="1.0 2.0")}
    graph["gate"] = node("AdaptiveThresholdGate", scores=["numbers", 0], table=name, k=50.0, follow=True)
    shutil.copy(tables / f"{name}.json", tables / "short.json")
    content = (tables / f"{name}.json").read_text().replace('"Judge"', '"external"')
    (tables / f"{name}.json").write_text(content)
    run = comfy_app.run(graph | {"kept": node("TestKeep", value=["gate", 0], name="decision")})
    assert run.error is None
    assert [pathlib.Path(path).stem[:200] for path in os.listdir(tables.parent / "running")] == [name]
