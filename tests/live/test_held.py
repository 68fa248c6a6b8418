"""Holding and taking through the API of a live ComfyUI that is killed and interrupted."""

import os
import shutil
import sys
from functools import partial
from pathlib import Path

from comfy_server import serving
from graphs import changed, demo_prompts, holding_graph, node, taking_graph
from held_trial import TOTAL, Stopping, Trial, plain_rows
from PIL import Image

COMFY = Path(os.environ["COMFYUI_PATH"])
TIMES = 2


def test_killed_and_interrupted_every_image_is_improved_once_as_without_holding(tmp_path):
    start = partial(serving, COMFY, sys.executable, tmp_path)
    with start() as client:
        plain = plain_rows(client)
    assert len(plain) == TOTAL
    stopping, number = Stopping(TIMES, start), 0
    while any(stopping.left.values()) or not number:
        trial = Trial(tmp_path, f"night {number}")
        stopping.go_through(trial)
        assert trial.check(plain) <= 1e-4
        number += 1


def test_a_second_machine_takes_a_copied_folder(client, tmp_path):
    assert client.run(holding_graph(demo_prompts(2), 5, "copied", batch=2))[1]["status"]["status_str"] == "success"
    shutil.copytree(client.base / "output" / "held", tmp_path / "output" / "held")
    with serving(COMFY, sys.executable, tmp_path) as other:
        executed, history = other.run(taking_graph("copied", steps=2))
    assert history["status"]["status_str"] == "success" and executed.count("teacher_models") == 1
    assert len([*(tmp_path / "output" / "held" / "copied" / "improved").iterdir()]) == 4


def test_bad_names_and_empty_folders_are_sentences_and_the_server_lives(client):
    refused = client.call("/prompt", {"prompt": taking_graph("../copied"), "client_id": client.id})
    assert "Take Held: '../copied' cannot name a folder" in str(refused["node_errors"])
    _, history = client.run(taking_graph("never"))
    assert "Take Held: nothing was held in " in str(history["status"]["messages"])
    assert client.run(holding_graph(demo_prompts(1), 9, "after", batch=1))[1]["status"]["status_str"] == "success"


def test_until_enough_and_the_best_are_saved_under_their_verdicts_with_records(client):
    prompts = ["a small orange circle on white", "a small green cross on white"]
    graph = holding_graph(prompts, 5, "unused", batch=2)
    drawing = {name: each for name, each in graph["student"]["inputs"].items()}
    links = {"vae": ["student_models", 2], "estimator": ["estimator", 0], "prompt": ["prompts", 0], "table": "Demo"}
    graph["enough"] = node("AdaptiveUntilEnough", **drawing, **links, k=50.0, images=3, limit=60)
    graph = changed(graph, "gate", scores=["enough", 2], student=["enough", 3], table="Demo", k=50.0)
    graph["split"] = node("AdaptiveSplit", decision=["gate", 0], batch=["enough", 1], top=1)
    graph["best"] = node("SaveImage", images=["split", 5], filename_prefix="best")
    graph = changed(graph, "save", images=["enough", 1], decision=["gate", 0], filename_prefix="enough")
    unused = ("hold", "scores", "student", "student_images")
    _, history = client.run({name: each for name, each in graph.items() if name not in unused})
    assert history["status"]["status_str"] == "success"
    assert len(history["outputs"]["best"]["images"]) == 2
    saved = history["outputs"]["save"]["images"]
    assert len(saved) == 6 and {each["subfolder"] for each in saved} == {"enough/accepted"}
    with Image.open(client.base / "output" / saved[0]["subfolder"] / saved[0]["filename"]) as image:
        assert {"prompt", "adaptive_diffusion"} <= image.text.keys()
