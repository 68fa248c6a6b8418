"""Files are written beside and renamed, by one function wherever that is needed."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
import pytest
import torch

from adaptive_diffusion.files import making_folder, replacing, sweep, write_new
from training import common, data, ratings

PACK = Path(__file__).parents[2]


def test_no_other_file_writes_beside_and_renames():
    folders = ("adaptive_diffusion", "host", "nodes", "training", "benchmarks")
    files = [path for folder in folders for path in (PACK / folder).rglob("*.py")]
    renaming = r"os\.(replace|rename)\(|shutil\.move|\.rename\(|\.replace\([^,()]+\)|\.part\b\""
    found = [path.name for path in files if re.search(renaming, path.read_text("utf-8"))]
    assert len(files) > 100 and found == ["files.py"]


def half(content, path) -> None:
    """torch.save, broken off in the middle."""
    Path(path).write_bytes(b"half of")
    raise KeyboardInterrupt


def test_a_file_that_could_not_be_written_whole_leaves_what_was_there(tmp_path):
    (tmp_path / "one").write_text("before")
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "one") as beside:
        beside.write_text("after")
        raise ZeroDivisionError
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("one", "before")]


def test_a_folder_is_there_whole_or_not_at_all(tmp_path):
    with pytest.raises(ZeroDivisionError), making_folder(tmp_path / "one") as beside:
        (beside / "part").write_text("half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    with making_folder(tmp_path / "one") as beside:
        (beside / "inside").mkdir()
        (beside / "inside" / "part").write_text("whole")
        assert not (tmp_path / "one").exists()
    assert (tmp_path / "one" / "inside" / "part").read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_what_a_killed_process_left_of_a_folder_is_swept(tmp_path):
    (tmp_path / ".one.123.part" / "inside").mkdir(parents=True)
    (tmp_path / ".two.123.part").write_text("half")
    (tmp_path / "three").mkdir()
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["three"]


def test_a_checkpoint_survives_a_save_that_breaks_off(tmp_path, monkeypatch):
    run = common.Run(tmp_path / "run", torch.nn.Linear(1, 1), 0.1, 0.9)
    run._save()
    monkeypatch.setattr(torch, "save", half)
    kept = (tmp_path / "run/checkpoint.pt").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        run._save()
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "run").iterdir()] == [("checkpoint.pt", kept)]


def test_encoded_scenes_and_rated_samples_are_kept_whole_or_not_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "save", half)
    monkeypatch.setattr(data, "dataset", lambda *_, **__: ([], numpy.zeros((0, 64, 64, 3), numpy.uint8)))
    monkeypatch.setattr(data, "trained_vae", lambda out: None)
    monkeypatch.setattr(data, "encode_images", lambda *_: torch.zeros(0))
    monkeypatch.setattr(data, "tokenize", lambda captions: torch.zeros(0))
    monkeypatch.setattr(ratings, "DemoModels", lambda *_: None)
    monkeypatch.setattr(ratings, "_draw", lambda *_: torch.zeros(0))
    with pytest.raises(KeyboardInterrupt):
        data.encoded_scenes(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        ratings.samples(ratings.Source("student", 1, 1.0, 3), tmp_path, 1, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_threads_that_write_one_new_file_do_not_take_each_others_away(tmp_path):
    barrier = threading.Barrier(4)

    def write(number):
        barrier.wait()
        return write_new(tmp_path / "new", bytes(1000))

    for _ in range(50):
        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(write, range(4))) == 1
        (tmp_path / "new").unlink()
    assert not list(tmp_path.iterdir())
