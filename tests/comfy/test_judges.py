"""Estimators of one kind with other weights, in ComfyUI."""

import folder_paths
import pytest
import torch
from graphs import keep, node
from safetensors.torch import save_file

from .test_estimators import images, tiny_reward
from .tools import module


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    """Two files of one kind whose last weights differ, and the user's tables, in folders of this test."""
    (tmp_path / "estimators").mkdir()
    extensions = folder_paths.folder_names_and_paths["quality_estimators"][1]
    monkeypatch.setitem(
        folder_paths.folder_names_and_paths, "quality_estimators", ([str(tmp_path / "estimators")], extensions)
    )
    folder_paths.filename_list_cache.clear()
    state = tiny_reward()
    save_file(state, tmp_path / "estimators" / "one.safetensors")
    save_file(state | {"mlp.layers.7.bias": torch.ones(1)}, tmp_path / "estimators" / "other.safetensors")
    monkeypatch.setattr(module("host.files.tables"), "user_tables", lambda: tmp_path / "percentiles")
    yield tmp_path / "percentiles"
    folder_paths.filename_list_cache.clear()


def scored(*names: str) -> dict:
    graph = {"images": node("TestGive", name="images")}
    for name in names:
        graph[name] = node("AdaptiveLoadEstimator", estimator=f"{name}.safetensors")
        graph[f"{name} scores"] = node(
            "AdaptiveQualityScore", estimator=[name, 0], images=["images", 0], prompt="a red circle"
        )
    return graph


def judged(name: str, **gate) -> dict:
    settings = {"table": "mine", "k": 50.0, **gate}
    graph = scored(name) | {"gate": node("AdaptiveThresholdGate", scores=[f"{name} scores", 0], **settings)}
    return keep(graph, decision=["gate", 0])


def made(name: str) -> dict:
    return scored(name) | {"table": node("AdaptiveTableFromScores", scores=[f"{name} scores", 0], name="mine")}


def test_a_table_of_one_file_is_refused_for_the_others_scores(comfy_app, files):
    comfy_app.give["images"] = images(4)
    assert comfy_app.run(made("one")).error is None
    assert comfy_app.run(judged("one")).error is None
    weights = {name: loaded(name).weights for name in ("one", "other")}
    for following in (False, True):
        assert comfy_app.fails(judged("other", follow=following)) == (
            f"Threshold Gate: table 'mine' was made for ImageReward with the weights {weights['one']}, but the scores "
            f"are of ImageReward with the weights {weights['other']}; load the file that the table was made with, or "
            "calibrate with this one"
        )
    assert "differ in estimator weights: " in comfy_app.fails(made("other"))


def loaded(name: str):
    path = module("host.files.estimators").estimator_path(f"{name}.safetensors")
    return module("host.estimator").HostedEstimator(path).estimator


def test_a_table_of_before_is_used_for_both(comfy_app, files):
    comfy_app.give["images"] = images(4)
    assert comfy_app.run(made("one")).error is None
    path = files / "mine.json"
    lines = [line for line in path.read_text().splitlines(True) if '"weights"' not in line]
    path.write_text("".join(lines).replace('"name": "ImageReward",', '"name": "ImageReward"'))
    for name in ("one", "other"):
        assert comfy_app.run(judged(name)).error is None


def test_improved_images_are_scored_by_the_gates_own_weights(comfy_app):
    comfy_app.give["images"] = images(4)
    graph = scored("one", "other")
    graph["gate"] = node("AdaptiveThresholdGate", scores=["one scores", 0], table="this run", k=50.0)
    graph["again"] = node(
        "AdaptiveQualityScore",
        estimator=["other", 0],
        images=["images", 0],
        prompt="a red circle",
        decision=["gate", 0],
    )
    graph["merge"] = node(
        "AdaptiveMerge",
        decision=["gate", 0],
        student=["images", 0],
        improved=["images", 0],
        improved_scores=["other scores", 0],
        size="student",
        width=64,
        height=64,
        resize_method="bicubic",
    )
    error = comfy_app.fails(keep(graph, merged=["merge", 0]))
    weights = {name: loaded(name).weights for name in ("one", "other")}
    assert error == (
        f"Adaptive Merge: improved_scores are of ImageReward with the weights {weights['other']}, the gate's of "
        f"ImageReward with the weights {weights['one']}; score both with the same estimator"
    )


def test_the_demos_networks_have_the_letters_that_tables_of_before_and_other_programs_give_them():
    judge = module("adaptive_diffusion.gate.judge").Judge
    path = module("host.files.estimators").estimator_path("demo")
    assert module("host.estimator").HostedEstimator(path).described == judge("Demo", "float32", "6b8b0ce8cbe9b6a8")
    decoder = module("host.demo").load_vae().first_stage_model
    assert module("adaptive_diffusion.digest").weights_digest(decoder.state_dict()) == "e56d7af599648228"
