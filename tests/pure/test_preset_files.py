"""Presets of the user's own come back as they were kept; anything else in their file is one sentence."""

import json

import pytest

from adaptive_diffusion.preset_files import load_preset, save_preset
from adaptive_diffusion.presets import PRESETS

EVERY = pytest.mark.parametrize("name", list(PRESETS))


@EVERY
def test_a_preset_comes_back_as_it_was_kept(tmp_path, name):
    save_preset(tmp_path / "folder" / "mine.json", PRESETS[name])
    assert load_preset(tmp_path / "folder" / "mine.json") == PRESETS[name]


def changed(path, **values) -> None:
    content = json.loads(path.read_text())
    for key, value in values.items():
        part, _, name = key.rpartition("__")
        (content[part] if part else content)[name] = value
    path.write_text(json.dumps(content))


def test_what_a_later_version_adds_is_left_out(tmp_path):
    save_preset(tmp_path / "mine.json", PRESETS["Demo"])
    changed(tmp_path / "mine.json", mood="good", student__mood="good")
    assert load_preset(tmp_path / "mine.json") == PRESETS["Demo"]


@pytest.mark.parametrize(
    "change",
    [
        {"rollback": "0.7"},
        {"rollback": None},
        {"rollback": -1.0},
        {"size": 64.5},
        {"size": True},
        {"student": None},
        {"student": []},
        {"teacher__steps": "12"},
        {"teacher__steps": 10**400},
        {"teacher__cfg": float("nan")},
        {"teacher__sampler": None},
        {"source": "a" * 2000},
        {"source": 5},
    ],
)
def test_a_damaged_preset_is_one_sentence(tmp_path, change):
    save_preset(tmp_path / "mine.json", PRESETS["Demo"])
    changed(tmp_path / "mine.json", **change)
    with pytest.raises(ValueError, match="^preset 'mine' is damaged; make it again$"):
        load_preset(tmp_path / "mine.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"format": "adaptive-diffusion preset"}'])
def test_another_file_is_one_sentence(tmp_path, text):
    (tmp_path / "mine.json").write_text(text)
    with pytest.raises(ValueError, match="^preset 'mine' (is damaged; make it again|has format .* version None; this)"):
        load_preset(tmp_path / "mine.json")


def test_a_newer_version_is_told(tmp_path):
    save_preset(tmp_path / "mine.json", PRESETS["Demo"])
    changed(tmp_path / "mine.json", version=2)
    with pytest.raises(ValueError, match="^preset 'mine' has format 'adaptive-diffusion preset' version 2; this pack"):
        load_preset(tmp_path / "mine.json")
