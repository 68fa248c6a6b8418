"""What a browser reads while and after a run: whatever a link brought, it is JSON, and the server lives."""

import json

import pytest
from fuzz_faults import strict
from graphs import adaptive_graph, changed, node

LINKED = {
    "k is a numpy.float32": ("gate", "k", "float32 of 42"),
    "the threshold is a numpy.float32": ("gate", "threshold_override", "float32 of 42"),
    "cfg is a tensor": ("teacher", "cfg", "tensor without axes"),
    "rollback is a numpy.float32": ("teacher", "rollback", "float32"),
    "the seed is a numpy.int64": ("student", "seed", "int64"),
    "scores are numpy.float32": ("gate", "scores", "float32|float32|float32 of 42|float32 of 42"),
    "scores are a list in a list": ("gate", "scores", "numbers"),
}


def watched(client, graph):
    """The messages of a run as a browser gets them, and its entry in the history."""
    import websocket

    stream = websocket.create_connection(f"ws://{client.address}/ws?clientId={client.id}", timeout=60)
    prompt, messages = client.queue(graph), []
    while not messages or messages[-1]["type"] not in ("execution_success", "execution_error"):
        received = stream.recv()
        if isinstance(received, str):
            messages.append(strict(received))
    stream.close()
    client.history(prompt)
    return messages, strict(client.read(f"/history/{prompt}"))[prompt]


def linked(name):
    target, field, values = LINKED[name]
    graph = adaptive_graph(k=50, seed=20, steps=2) | {"linked": node("TestStrange", values=values)}
    return changed(graph, target, **{field: ["linked", 0]})


@pytest.mark.parametrize("name", LINKED)
def test_a_number_of_any_kind_with_a_browser_and_without(client, name):
    messages, history = watched(client, linked(name))
    assert history["status"]["status_str"] == "success", history["status"]
    assert {"gate", "save"} <= {each["data"]["node"] for each in messages if each["type"] == "executed"}
    headless = client.call("/prompt", {"prompt": changed(linked(name), "save", filename_prefix="headless")})[
        "prompt_id"
    ]
    assert client.history(headless, 30)["status"]["status_str"] == "success"
    assert client.process.poll() is None


def test_a_linked_k_is_shown_as_the_number_it_is(client):
    _, history = watched(client, linked("k is a numpy.float32"))
    assert history["outputs"]["gate"]["adaptive_gate"][0]["k"] == 42.0


@pytest.mark.parametrize(
    ("target", "inputs"),
    [
        ("gate", {"k": 0.0}),
        ("gate", {"k": 100.0}),
        ("gate", {"reject_indices": "1"}),
        ("gate", {"table": "Demo", "k": 0.0, "follow": True}),
    ],
    ids=str,
)
def test_a_threshold_that_is_no_number_is_null(client, target, inputs):
    """Where all are kept or all rejected, and by hand, there is none."""
    graph = changed(adaptive_graph(seed=21, steps=2), target, **inputs)
    graph["report"] = node("AdaptiveReport", images=["student_images", 0], decision=["gate", 0])
    graph["sheet"] = node("PreviewImage", images=["report", 0])
    _, history = watched(client, graph)
    assert history["outputs"]["gate"]["adaptive_gate"][0]["threshold"] is None
    assert history["outputs"]["report"]["adaptive_report"][0]["threshold"] is None


@pytest.mark.parametrize("values", ["nan", "tensor nan", "inf", "complex", "unwilling", "10**400"])
def test_what_is_no_number_is_one_sentence(client, values):
    import websocket

    graph = adaptive_graph(k=50, seed=22, steps=2) | {"linked": node("TestStrange", values=values)}
    stream = websocket.create_connection(f"ws://{client.address}/ws?clientId={client.id}", timeout=60)
    told = client.history(client.queue(changed(graph, "gate", k=["linked", 0])), 30)
    stream.close()
    error = dict(told["status"]["messages"])["execution_error"]
    assert error["exception_message"].startswith("Threshold Gate: k is ") and error["exception_type"] == "ValueError"
    assert client.process.poll() is None


def test_half_a_character_in_any_text_leaves_history_and_log_readable(client):
    graph = changed(adaptive_graph(seed=23, steps=2), "scores", prompt="a red circle \ud800 on sand")
    messages, history = watched(client, graph)
    assert messages[-1]["type"] == "execution_error" and history["status"]["status_str"] == "error"
    named = adaptive_graph(seed=23, steps=2)
    named["save_table"] = node("AdaptiveTableFromScores", scores=["scores", 0], name="table \ud800")
    messages, history = watched(client, named)
    assert messages[-1]["data"]["exception_message"].startswith("Table from Scores: 'table \\ud800' cannot name")
    assert json.loads(client.read("/history")) and client.process.poll() is None
