"""The main job through /prompt of a live ComfyUI."""

import contextlib
import json
import os
import struct
from pathlib import Path

import torch
from graphs import adaptive_graph, changed

PACK = Path(__file__).resolve().parents[2]
TEXT = struct.pack(">I", 3)
TEACHER_ONLY = {"teacher_models", "teacher_prompt", "teacher_negative", "teacher_images"}


def test_nothing_rejected_runs_nothing_of_the_teacher(client):
    executed, history = client.run(adaptive_graph(k=0, seed=10))
    assert history["status"]["status_str"] == "success"
    assert not TEACHER_ONLY & set(executed)
    assert len(history["outputs"]["save"]["images"]) == 4


def test_with_some_rejected_the_teacher_loads_once_and_verdicts_are_in_the_history(client):
    executed, history = client.run(adaptive_graph(k=50, seed=11))
    assert executed.count("teacher_models") == 1, executed
    shown = history["outputs"]["gate"]["adaptive_gate"][0]
    assert len(shown["rejected"][0]) == 2
    again = client.run(adaptive_graph(k=50, seed=11))[1]
    assert again["outputs"]["gate"]["adaptive_gate"][0] == shown


def test_the_example_for_the_api_runs_as_it_is(client):
    executed, history = client.run(json.loads((PACK / "docs" / "demo_api.json").read_text()))
    assert history["status"]["status_str"] == "success"
    assert executed


def test_a_calibration_is_an_ordinary_prompt_and_its_table_is_offered_at_once(client):
    example = json.loads((PACK / "docs" / "calibrate_api.json").read_text())
    _, history = client.run(changed(changed(example, "6", count=10), "7", name="headless"))
    shown = history["outputs"]["7"]["adaptive_table"][0]
    assert (shown["name"], shown["count"]) == ("headless", 10)
    gate = client.call("/object_info/AdaptiveThresholdGate")["AdaptiveThresholdGate"]
    assert "headless" in gate["input"]["required"]["table"][1]["options"]
    executed, history = client.run(changed(adaptive_graph(k=50, seed=15), "gate", table="headless"))
    assert history["outputs"]["gate"]["adaptive_gate"][0]["table"] == "headless"


def test_a_tuning_is_an_ordinary_prompt_and_its_preset_is_offered_at_once(client):
    example = json.loads((PACK / "docs" / "tune_api.json").read_text())
    _, history = client.run(changed(changed(example, "6", count=50), "9", name="headless tuning"))
    shown = history["outputs"]["9"]
    assert [choice["budget"] for choice in shown["adaptive_tune"][0]["choices"]] == [3.0, 6.0, None]
    assert shown["images"]
    preset = client.call("/object_info/AdaptivePreset")["AdaptivePreset"]["input"]["required"]["preset"]
    assert "headless tuning" in preset[1]["options"]


def test_bad_input_leaves_the_server_running(client):
    answer = client.call("/prompt", {"prompt": changed(adaptive_graph(), "gate", table="../x"), "client_id": client.id})
    assert "there is no table or gate '../x'" in json.dumps(answer)
    _, history = client.run(changed(adaptive_graph(k=100, seed=12), "teacher", rollback=2.0))
    assert history["status"]["status_str"] == "error"
    assert "Teacher Refine: rollback is 2" in json.dumps(history["status"])
    assert client.run(adaptive_graph(k=0, seed=13))[1]["status"]["status_str"] == "success"


def test_half_a_character_in_a_prompt_is_one_sentence_and_the_server_lives(client):
    _, history = client.run(changed(adaptive_graph(seed=16), "scores", prompt="a red circle \ud800 on sand"))
    messages = dict(history["status"]["messages"])
    told = messages["execution_error"]["exception_message"].strip()
    assert told.startswith("Quality Score: the prompt 'a red circle \\ud800 on sand' holds '\\ud800', which is no")
    assert client.run(adaptive_graph(k=0, seed=17))[1]["status"]["status_str"] == "success"


def test_what_a_node_shows_does_not_reach_another_client(client):
    import websocket

    other = websocket.create_connection(f"ws://{client.address}/ws?clientId=other", timeout=2)
    assert client.run(adaptive_graph(k=50, seed=18))[1]["status"]["status_str"] == "success"
    headless = client.call("/prompt", {"prompt": adaptive_graph(k=50, seed=19)})["prompt_id"]
    assert client.history(headless, 30)["status"]["status_str"] == "success"
    received = []
    with contextlib.suppress(websocket.WebSocketTimeoutException):
        while True:
            received.append(other.recv())
    other.close()
    texts = [message for message in received if isinstance(message, bytes) and message.startswith(TEXT)]
    assert texts == [] and len(received) > 1


class Bomb:
    def __init__(self, trace):
        self.trace = str(trace)

    def __reduce__(self):
        return os.mkdir, (self.trace,)


def test_hostile_and_damaged_estimator_files_are_refused_and_the_server_lives(client):
    folder = client.base / "models" / "quality_estimators"
    torch.save({"w": Bomb(client.base / "ran")}, folder / "bomb.pt")
    (folder / "huge.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"{}")
    (folder / "cut.pt").write_bytes((folder / "bomb.pt").read_bytes()[:100])
    torch.save({"conv_in.weight": torch.ones(1)}, folder / "unet.pt")
    sentences = {
        "bomb.pt": "'bomb.pt' holds more than weights and was not opened; use a safetensors file",
        "huge.safetensors": "'huge.safetensors' is not a whole safetensors file",
        "cut.pt": "'cut.pt' is not a whole file of weights; download it again",
        "unet.pt": "'unet.pt' is not a quality estimator; expected the weights of ImageReward",
    }
    for name, sentence in sentences.items():
        answer = client.call("/prompt", {"prompt": changed(adaptive_graph(), "estimator", estimator=name)})
        assert f"Load Estimator: {sentence}" in json.dumps(answer), answer
    offered = client.call("/object_info/AdaptiveLoadEstimator")["AdaptiveLoadEstimator"]["input"]["required"]
    assert not sentences.keys() & set(json.dumps(offered).split('"'))
    assert not (client.base / "ran").exists()
    assert client.run(adaptive_graph(k=0, seed=14))[1]["status"]["status_str"] == "success"


def test_every_node_is_described_for_the_registry(client):
    described = client.call("/object_info")
    ours = {name: node for name, node in described.items() if name.startswith("Adaptive")}
    assert len(ours) == 27
    for name, node in ours.items():
        assert node["display_name"] and node["description"], name
        for kind in ("required", "optional"):
            for field, (_, *options) in node["input"].get(kind, {}).items():
                assert options[0].get("tooltip"), f"{name}.{field}"
