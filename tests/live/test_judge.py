"""A text encoder from a file as the judge, in a live ComfyUI: with gate, teacher and merge."""

import time

import pytest
from graphs import adaptive_graph, node
from safetensors.torch import save_file
from tiny_vlm import tiny_model

FILE = "tiny qwen3-vl.safetensors"
CHECKS = "Is this red? | red\nIs it sand? | sand | 2"
CAPTION = "a red circle left of a blue square on sand"
TEACHER_ONLY = {"teacher_models", "teacher_prompt", "teacher_negative", "teacher_images"}


@pytest.fixture(autouse=True)
def weights(client):
    path = client.base / "models" / "text_encoders" / FILE
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: weight.clone() for name, weight in tiny_model(seed=4).state_dict().items()}, path)


def judged(k: float, seed: int) -> dict:
    """The main job, judged by a text encoder that also encodes a prompt."""
    graph = adaptive_graph(prompt=CAPTION, k=k, seed=seed, steps=2)
    return graph | {
        "vision": node("TestTinyVision", name=FILE),
        "encoded": node("CLIPTextEncode", clip=["vision", 0], text=CAPTION),
        "estimator": node(
            "AdaptiveVisionJudge", clip=["vision", 0], checks="Is this red? | red\nIs it sand? | sand | 2"
        ),
        "loaded": node("TestLoaded", after=["merge", 0]),
        "loaded too": node("TestLoaded", after=["encoded", 0]),
    }


def test_nothing_rejected_means_no_teacher(client):
    executed, history = client.run(judged(k=0, seed=20))
    assert history["status"]["status_str"] == "success", history["status"]
    assert not TEACHER_ONLY & set(executed)
    assert len(history["outputs"]["save"]["images"]) == 4
    shown = history["outputs"]["scores"]["adaptive_scores"][0]
    assert shown["estimator"].startswith("VQAScore Qwen3-VL of width 64 (questions ")
    assert all(0 < each < 1 for each in shown["probabilities"][0]) and len(shown["reasons"][0]) == 4


@pytest.fixture
def cached(options) -> bool:
    """Whether the server keeps what nodes gave: without, ComfyUI runs some again, and frees each once it was used."""
    return not options


def test_judge_gate_teacher_and_merge_with_the_text_encoder_in_memory_once(client, cached):
    executed, history = client.run(judged(k=50, seed=21))
    assert history["status"]["status_str"] == "success", history["status"]
    assert set(executed) >= TEACHER_ONLY and executed.count("vision") <= (1 if cached else 2)
    assert len(history["outputs"]["gate"]["adaptive_gate"][0]["rejected"][0]) == 2
    for name in ("loaded", "loaded too"):
        assert history["outputs"][name]["held"].count("Qwen3VLTEModel_") <= 1
    assert history["outputs"]["loaded"]["held"].count("Qwen3VLTEModel_") == int(cached)


def test_memory_returns_after_free(client, cached):
    assert client.run(judged(k=0, seed=22))[1]["outputs"]["loaded"]["alive"] == [int(cached)]
    client.call("/free", {"unload_models": True, "free_memory": True})
    for _ in range(40):
        found = client.run({"loaded": node("TestLoaded")})[1]["outputs"]["loaded"]
        if found["alive"] == [0]:
            break
        time.sleep(0.25)
    assert found["alive"] == [0] and "Qwen3VLTEModel_" not in found.get("held", [])


def test_a_refusal_is_one_sentence_and_the_server_lives(client):
    graph = judged(k=0, seed=23)
    graph["estimator"]["inputs"]["clip"] = ["student_models", 1]
    _, history = client.run(graph)
    [message] = [data for event, data in history["status"]["messages"] if event == "execution_error"]
    assert "has no part that sees images; load a Qwen3-VL 4B or 8B" in message["exception_message"]
    assert client.run(judged(k=0, seed=24))[1]["status"]["status_str"] == "success"
