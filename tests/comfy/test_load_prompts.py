"""Prompt files in ComfyUI's input folder, and lists of prompts and seeds in a graph."""

import os
import time

import folder_paths
import pytest
from graphs import adaptive_graph, keep, node

from .tools import module


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    """An empty input folder with something secret beside it."""
    folder = tmp_path / "input"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("a secret")
    monkeypatch.setattr(folder_paths, "input_directory", str(folder))
    return folder


def loading(file="bundled", column="caption", count=0, seed=5, **options) -> dict:
    graph = {"load": node("AdaptiveLoadPrompts", file=file, column=column, count=count, seed=seed, **options)}
    return keep(graph, prompts=["load", 0], seeds=["load", 1])


def offered() -> list[str]:
    inputs = module("nodes.load_prompts").LoadPrompts.INPUT_TYPES()["required"]
    return inputs["file"][1]["options"]


def test_a_file_becomes_a_list_of_prompts_and_a_list_of_seeds(inputs, comfy_app):
    (inputs / "mine.txt").write_text("a cat\n\na dog\na cat\n")
    kept = comfy_app.run(loading("mine.txt", seed=2**64 - 1)).kept
    assert kept == {"prompts": ["a cat", "a dog"], "seeds": [2**64 - 1, 0]}


def test_a_prompt_comes_as_often_as_it_has_pictures(inputs, comfy_app):
    (inputs / "mine.tsv").write_text("Prompt\tNote\na cat\tx\na dog\ty\n")
    kept = comfy_app.run(loading("mine.tsv", "Prompt", pictures=3)).kept
    assert kept == {"prompts": ["a cat"] * 3 + ["a dog"] * 3, "seeds": list(range(5, 11))}
    assert "Load Prompts: 546 prompts with 1,000 pictures each are over 100,000" in comfy_app.fails(
        loading(pictures=1000)
    )


def test_the_bundled_prompts_are_there_and_a_count_of_them_is_drawn(inputs, comfy_app):
    everything = comfy_app.run(loading()).kept
    assert len(everything["prompts"]) == len(everything["seeds"]) >= 500
    some = comfy_app.run(loading(count=12)).kept
    assert len(set(some["prompts"])) == 12 and set(some["prompts"]) < set(everything["prompts"])
    assert some["seeds"] == list(range(5, 17))
    assert comfy_app.run(loading(count=12, seed=6)).kept["prompts"] != some["prompts"]


def test_the_column_is_the_users_choice(inputs, comfy_app):
    assert set(comfy_app.run(loading(column="difficulty")).kept["prompts"]) == {"easy", "medium", "hard"}


def test_each_prompt_is_drawn_with_its_own_seed(inputs, comfy_app, evaluations):
    (inputs / "mine.csv").write_text("caption\na red circle left of a blue square on sand\na large red circle on sky\n")
    graph = adaptive_graph(["load", 0], k=0, batch=1, seed=["load", 1]) | loading("mine.csv")
    pooled = comfy_app.run(keep(graph, latents=["student", 0])).kept
    assert len(pooled["latents"]) == 2
    alone = adaptive_graph(pooled["prompts"][1], k=0, batch=1, seed=6)
    single = comfy_app.run(keep(alone, latents=["student", 0])).kept["latents"]
    assert single[0]["samples"].equal(pooled["latents"][1]["samples"])


def test_only_prompt_files_are_offered_the_bundled_ones_first(inputs):
    for name in ("b.TXT", "a.csv", "d.tsv", "sub/deep/c.jsonl", "photo.png", "notes.md", ".hidden.txt", ".git/d.txt"):
        (inputs / name).parent.mkdir(parents=True, exist_ok=True)
        (inputs / name).write_text("a cat")
    (inputs / "folder.txt").mkdir()
    os.mkfifo(inputs / "endless.txt")
    (inputs / "gone.txt").symlink_to(inputs / "nowhere.txt")
    assert offered() == ["bundled", "demo", "a.csv", "b.TXT", "d.tsv", "sub/deep/c.jsonl"]


def test_an_input_folder_that_does_not_exist_offers_the_bundled_ones(inputs, monkeypatch):
    monkeypatch.setattr(folder_paths, "input_directory", str(inputs / "none"))
    assert offered() == ["bundled", "demo"]


def test_a_file_in_a_subfolder_is_read(inputs, comfy_app):
    (inputs / "sub").mkdir()
    (inputs / "sub" / "c.jsonl").write_text('{"text": "a cat"}')
    assert comfy_app.run(loading("sub/c.jsonl", "text")).kept["prompts"] == ["a cat"]


@pytest.mark.parametrize(
    "name", ["../secret.txt", "sub/../../secret.txt", "{outside}", "missing.txt", "", "BUNDLED", ".hidden.txt"]
)
def test_what_is_not_offered_is_refused_before_anything_runs(inputs, comfy_app, name):
    (inputs / "mine.txt").write_text("a cat")
    (inputs / ".hidden.txt").write_text("a cat")
    name = name.format(outside=inputs.parent / "secret.txt")
    with pytest.raises(ValueError, match="Load Prompts: there is no prompt file ") as caught:
        comfy_app.run(loading(name))
    assert f"{name!r} in ComfyUI's input folder; choose one of bundled, demo, mine.txt" in str(caught.value)


def test_a_linked_name_is_held_to_the_list_as_well(inputs, comfy_app):
    (inputs / "mine.txt").write_text("a cat")
    graph = loading(["given", 0]) | {"given": node("TestGive", name="file")}
    comfy_app.give["file"] = "mine.txt"
    assert comfy_app.run(graph).kept["prompts"] == ["a cat"]
    comfy_app.give["file"] = "../secret.txt"
    assert comfy_app.fails(graph).startswith("Load Prompts: there is no prompt file '../secret.txt'")


def test_a_bad_file_is_one_sentence_from_the_node(inputs, comfy_app):
    (inputs / "bad.csv").write_text("id,text\n1,a cat\n")
    sentence = "Load Prompts: line 1 of 'bad.csv' has no column 'caption', only 'id', 'text'; name one of these"
    assert comfy_app.fails(loading("bad.csv")).startswith(sentence)


@pytest.mark.parametrize("count", [-1, 100_001])
def test_a_count_beyond_the_limits_is_refused(inputs, comfy_app, count):
    with pytest.raises(ValueError, match=f"Value {count} (smaller than min of 0|bigger than max of 100000)"):
        comfy_app.run(loading(count=count))


def test_an_edited_file_is_read_again_and_an_unchanged_one_is_not(inputs, comfy_app):
    path = inputs / "mine.txt"
    path.write_text("a cat")
    assert "load" in comfy_app.run(loading("mine.txt")).executed
    assert "load" not in comfy_app.run(loading("mine.txt")).executed
    path.write_text("a cow")
    later = time.time_ns() + 10**9
    os.utime(path, ns=(later, later))
    assert comfy_app.run(loading("mine.txt")).kept["prompts"] == ["a cow"]
    path.write_text("a horse")
    os.utime(path, ns=(later, later))
    assert comfy_app.run(loading("mine.txt")).kept["prompts"] == ["a horse"]
