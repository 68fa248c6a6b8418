"""Threshold Gate following the user's prompts, in ComfyUI's own executor."""

import json

import pytest
from graphs import adaptive_graph, changed, keep, node

from .conftest import nodes
from .tools import module


@pytest.fixture(autouse=True)
def running(monkeypatch, tmp_path):
    """The folder of the running tables, and beside it a table of numbers from nobody in particular."""
    monkeypatch.setattr(module("host.files.tables"), "user_tables", lambda: tmp_path / "percentiles")
    (tmp_path / "percentiles").mkdir()
    (tmp_path / "percentiles" / "hundred.json").write_text(json.dumps({str(k): k for k in range(5, 100, 5)}))
    return tmp_path / "running"


def following(seed: int = 1, k: float = 50.0, **gate) -> dict:
    return changed(adaptive_graph(k=k, seed=seed), "gate", **{"table": "Demo", "follow": True, **gate})


def of_numbers(numbers, k: float = 50.0, **gate) -> dict:
    settings = {"k": k, "table": "hundred", "follow": True} | gate
    graph = {
        "numbers": node("TestNumbers", text=" ".join(map(repr, numbers))),
        "gate": node("AdaptiveThresholdGate", scores=["numbers", 0], **settings),
    }
    return keep(graph, decision=["gate", 0])


def shown(run) -> dict:
    assert run.error is None
    """What the gate shows, but for what was saved since the start, which every run adds to."""
    told = run.ui["gate"]["adaptive_gate"][0]
    return {key: value for key, value in told.items() if key != "savings"}


def state(folder) -> dict:
    (file,) = folder.iterdir()
    return json.loads(file.read_text())


def test_off_as_it_is_by_default_it_leaves_no_file_and_judges_as_ever(comfy_app, running):
    off = shown(comfy_app.run(following(follow=False)))
    assert off["following"] is None
    assert shown(comfy_app.run(changed(following(), "gate", follow=None))) == off
    assert nodes()["AdaptiveThresholdGate"].INPUT_TYPES()["optional"]["follow"][1]["default"] is False
    assert not running.exists()


def test_on_it_says_so_and_counts_in_a_file_of_the_student_and_estimator(comfy_app, running):
    run = comfy_app.run(following(student=["student", 1]))
    told, kept = shown(run), state(running)
    assert told["table"] == "Demo (following)"
    assert told["following"]["images"] == kept["images"] == 4
    assert told["following"]["name"] == next(running.iterdir()).stem
    assert "following 4 images" in run.texts["gate"]
    assert kept["recent"][-4:] == told["scores"][0]
    assert (kept["table"], kept["estimator"]["name"], kept["student"]["steps"]) == ("Demo", "Demo", 2)
    assert (kept["rejected"], kept["asked"]) == (len(told["rejected"][0]), 2.0)


def test_the_record_states_the_threshold_and_the_table(comfy_app):
    graph = following()
    graph["report"] = node("AdaptiveReport", images=["student_images", 0], decision=["gate", 0])
    run = comfy_app.run(keep(graph, record=["report", 1], threshold=["gate", 2]))
    entries = json.loads(run.kept["record"][0])
    told = shown(run)
    assert {(entry["table"], entry["threshold"]) for entry in entries} == {("Demo (following)", told["threshold"])}
    assert run.kept["threshold"] == [told["threshold"]]


@pytest.mark.parametrize("k", [20, 50, 80])
def test_the_share_is_k_although_the_table_would_reject_all(k, comfy_app):
    low = [-(i * 37 % 200) / 7 for i in range(200)]
    assert len(shown(comfy_app.run(of_numbers(low, k, follow=False)))["rejected"][0]) == 200
    assert len(shown(comfy_app.run(of_numbers(low, k)))["rejected"][0]) == pytest.approx(2 * k, abs=4)


def test_later_runs_of_other_images_are_judged_by_the_earlier_ones(comfy_app, running):
    first = shown(comfy_app.run(following(seed=1)))
    second = shown(comfy_app.run(following(seed=2)))
    assert second["threshold"] != first["threshold"]
    assert state(running)["images"] == 8
    assert state(running)["recent"][-8:] == first["scores"][0] + second["scores"][0]


@pytest.mark.parametrize("k", [50, 100])
def test_an_image_queued_again_is_judged_alike_and_counted_once(k, uncached_app, running):
    first = uncached_app.run(following(k=k))
    assert state(running)["images"] == 4
    before = next(running.iterdir()).read_bytes()
    again = uncached_app.run(following(k=k))
    assert "gate" in again.executed
    assert shown(again) == shown(first)
    assert next(running.iterdir()).read_bytes() == before


def test_the_same_image_in_another_graph_is_counted_once(comfy_app, uncached_app, running):
    comfy_app.run(following())
    uncached_app.run(changed(following(), "teacher", rollback=0.4))
    assert state(running)["images"] == 4
    uncached_app.run(following(seed=9))
    assert state(running)["images"] == 8


def test_lists_of_prompts_have_one_threshold_and_count_every_image(comfy_app, running):
    graph = adaptive_graph(prompt=["texts", 0], batch=2)
    graph["texts"] = node("TestLines", text="a large red circle on sky\na small blue cross on sand")
    run = comfy_app.run(keep(changed(graph, "gate", table="Demo", follow=True), decision=["gate", 0]))
    assert len({decision.threshold for decision in run.kept["decision"]}) == 1
    assert state(running)["images"] == 4


def test_a_cached_gate_is_not_run_again_when_the_state_went_on(comfy_app, uncached_app, running):
    first = comfy_app.run(following(seed=1))
    uncached_app.run(following(seed=2))
    before = next(running.iterdir()).read_bytes()
    again = comfy_app.run(following(seed=1))
    assert "gate" not in again.executed
    assert shown(again) == shown(first)
    assert next(running.iterdir()).read_bytes() == before


def test_every_queued_run_of_mere_numbers_counts_once(uncached_app, running, monkeypatch):
    for run in ("one", "two"):
        monkeypatch.setattr(module("host.following"), "get_executing_context", lambda run=run: (run, "gate", None))
        for _ in range(2):
            assert uncached_app.run(of_numbers([1.0, 2.0])).error is None
    assert state(running)["images"] == 4


@pytest.mark.parametrize("follow", [True, False])
def test_the_recorded_threshold_as_override_replays_a_run_exactly(follow, comfy_app, uncached_app, running):
    comfy_app.run(following(seed=2))
    recorded = shown(comfy_app.run(following(seed=1)))
    uncached_app.run(following(seed=3))
    before = next(running.iterdir()).read_bytes()
    graph = following(seed=1, follow=follow, threshold_override=["recorded", 0])
    graph["recorded"] = node("TestNumbers", text=repr(recorded["threshold"]))
    replayed = shown(uncached_app.run(graph))
    assert [replayed[key] for key in ("threshold", "scores", "rejected")] == [
        recorded[key] for key in ("threshold", "scores", "rejected")
    ]
    assert (replayed["table"], replayed["following"]) == ("override", None)
    assert next(running.iterdir()).read_bytes() == before


def test_verdicts_by_hand_touch_no_state(comfy_app, running):
    assert shown(comfy_app.run(following(reject_indices="1")))["rejected"] == [[1]]
    assert not running.exists()


def test_a_deleted_state_begins_again(uncached_app, running):
    first = shown(uncached_app.run(following(seed=1)))
    uncached_app.run(following(seed=2))
    next(running.iterdir()).unlink()
    assert shown(uncached_app.run(following(seed=1))) == first


def test_a_shared_state_goes_on_where_it_was(uncached_app, running):
    uncached_app.run(following(seed=1))
    (shared,) = running.iterdir()
    content = shared.read_bytes()
    there = shown(uncached_app.run(following(seed=2)))
    shared.write_bytes(content)
    assert shown(uncached_app.run(following(seed=2))) == there


@pytest.mark.parametrize("damage", ["", "{", '{"format": "adaptive-diffusion running table", "version": 1}'])
def test_a_damaged_state_is_one_sentence_and_stays_for_the_user_to_see(damage, uncached_app, running):
    uncached_app.run(following())
    (file,) = running.iterdir()
    file.write_text(damage)
    error = uncached_app.fails(following())
    assert error == f"Threshold Gate: running table '{file.stem}' is damaged; delete {file.name} to begin again"
    assert file.read_text() == damage


def test_a_newer_state_and_that_of_another_student_are_refused_by_name(uncached_app, running):
    uncached_app.run(following())
    (file,) = running.iterdir()
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {"version": 2}))
    assert "version 2; this pack reads 'adaptive-diffusion running table' version 1" in uncached_app.fails(following())
    file.write_text(json.dumps(content | {"student": {"name": "somebody"}}))
    error = uncached_app.fails(following())
    assert f"running table '{file.stem}' has student name" in error and "somebody" in error
    assert error.endswith("or delete it to begin again")


def test_it_needs_a_calibrated_table(comfy_app, running):
    error = comfy_app.fails(following(table="this run"))
    assert error.startswith("Threshold Gate: to follow your prompts it needs a calibrated table to start from")
    assert not running.exists()


def test_a_k_that_the_table_does_not_know_is_refused_as_ever(comfy_app, running):
    assert "only knows 5 to 95" in comfy_app.fails(of_numbers([1.0, 2.0], k=99))
    assert not running.exists()


def test_two_students_have_no_running_table_in_common(comfy_app, running):
    graph = following(student=["student", 1])
    graph["steps"] = node("TestNumbers", text="1 2")
    graph = changed(graph, "student", steps=["steps", 1])
    error = comfy_app.fails(graph)
    assert error == "Threshold Gate: 2 students came, of which one has steps 2 instead of 1; link one student"
    assert not running.exists()
