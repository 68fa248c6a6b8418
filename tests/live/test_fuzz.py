"""Strange graphs through a live server, a browser connected: it answers, and all that it tells can be read."""

import json
import math
import time

from fuzz_faults import error_fault, refusal_faults, strict
from fuzzing import OURS, Fuzz

SECONDS, SHARE = 12, 10
"""How long, and of --fuzz-graphs one in so many."""


def faults_of(client, stream, graph, titles):
    """What is wrong with how a graph ran, and with what a browser read of it."""
    answer = client.call("/prompt", {"prompt": graph, "client_id": client.id})
    yield from refusal_faults(answer.get("node_errors") or {})
    if "prompt_id" not in answer:
        return
    client.history(answer["prompt_id"], 120)
    entry = json.loads(client.read(f"/history/{answer['prompt_id']}"))[answer["prompt_id"]]
    strict(json.dumps(entry["outputs"]))
    for event, data in entry["status"]["messages"]:
        fault = error_fault(data, titles) if event == "execution_error" else None
        yield from [fault] if fault else []
    yield from message_faults(stream)


def message_faults(stream):
    """Of what came since; an error's own inputs are ComfyUI's words, in which NaN may stand."""
    last = None
    while last not in ("execution_success", "execution_error", "execution_interrupted"):
        received = stream.recv()
        if isinstance(received, str):
            last = json.loads(received)["type"]
            try:
                last == "execution_error" or strict(received)
            except ValueError as error:
                yield f"{last} is no JSON: {error}"


def test_strange_graphs_leave_the_server_readable(client, request):
    import websocket

    count = request.config.getoption("--fuzz-graphs") // SHARE
    described = client.call("/object_info")
    titles = {name: one["display_name"] for name, one in described.items() if name.startswith(OURS)}
    fuzz = Fuzz(request.config.getoption("--fuzz-seed") + 1000, described)
    stream = websocket.create_connection(f"ws://{client.address}/ws?clientId={client.id}", timeout=120)
    end, found, number = time.monotonic() + (math.inf if count else SECONDS), {}, 0
    while number < (count or math.inf) and time.monotonic() < end:
        for fault in faults_of(client, stream, fuzz.graph(number), titles):
            found.setdefault(fault, number)
        assert client.process.poll() is None, f"graph {number} ended the server"
        number += 1
    stream.close()
    print(f"{number} graphs of seed {fuzz.seed}, {len(found)} faults")
    assert not found, "\n".join(f"graph {number}: {fault}" for fault, number in found.items())
    assert json.loads(client.read("/history")) and titles.keys() <= client.call("/object_info").keys()
