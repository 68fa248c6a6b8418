"""Graphs as nobody should wire them, through the real executor: nothing ends or hangs, and all that is told is ours."""

import json
import math
import signal
import time
from contextlib import contextmanager

import folder_paths
import pytest
import torch
from fuzz_faults import error_fault, refusal_faults
from fuzzing import OURS, Fuzz
from graphs import Graph
from safetensors.torch import save_file

from .conftest import Comfy, Refused, Run, nodes

SECONDS = 45
PROCESSOR, CLOCK = 60, 300
"""Seconds of one graph after which it hangs."""


class Hangs(BaseException):
    pass


@contextmanager
def bounded():
    """Hangs after PROCESSOR seconds of work or CLOCK seconds of waiting; nothing where a system has no such timers."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_):
        raise Hangs

    timers = {signal.ITIMER_PROF: (signal.SIGPROF, PROCESSOR), signal.ITIMER_REAL: (signal.SIGALRM, CLOCK)}
    for timer, (sign, seconds) in timers.items():
        signal.signal(sign, stop)
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for timer in timers:
            signal.setitimer(timer, 0)


@pytest.fixture
def fuzz(request, tmp_path, monkeypatch):
    """The graphs, and a file for each of our nodes that needs one."""
    guided = {
        "time_embedding.cond_proj.weight": torch.ones(64, 256),
        "time_embedding.linear_1.weight": torch.ones(256, 64),
    }
    save_file(guided, tmp_path / "guided.safetensors")
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "diffusion_models", ([str(tmp_path)], {".safetensors"}))
    described = {name: one.GET_NODE_INFO_V1() for name, one in nodes().items() if name.startswith(OURS)}
    described |= {name: {"input": nodes()[name].INPUT_TYPES()} for name in ("TestStrange", "TestChange")}
    return Fuzz(request.config.getoption("--fuzz-seed"), described)


def faults_of(app: Comfy, graph: Graph) -> list[str]:
    """What is wrong with how a graph ran."""
    try:
        with bounded():
            run = app.run(graph)
    except Refused:
        run = None
    except Hangs:
        return ["it hangs"]
    except BaseException as error:
        return [f"the executor ended: {type(error).__name__}: {error}"]
    told = list(refusal_faults(app.refused))
    return told if run is None else [*told, *error_faults(app), *image_faults(graph, run), *shown_faults(app, run)]


def error_faults(app: Comfy) -> list[str]:
    titles = {name: one.TITLE for name, one in nodes().items() if name.startswith(OURS)}
    errors = [data for event, data in app.server.events if event == "execution_error"]
    return [fault for fault in (error_fault(data, titles) for data in errors) if fault]


def image_faults(graph: Graph, run: Run) -> list[str]:
    found = []
    for name, values in run.kept.items():
        for value in values:
            pixels = value.get("samples") if isinstance(value, dict) else value
            if isinstance(pixels, torch.Tensor) and pixels.is_floating_point() and not pixels.isfinite().all():
                node, slot = name.split()
                found.append(f"{graph[node]['class_type']} {slot} gave an image that is not finite")
    return found


def shown_faults(app: Comfy, run: Run) -> list[str]:
    """Of what the nodes showed: /history and every message are JSON, and that of nodes without NaN."""
    try:
        json.dumps(run.ui, allow_nan=False).encode()
        json.dumps(app.executor.status_messages)
        for event, data in app.server.events:
            if event == "text":
                data["text"].encode()
            elif not isinstance(data, (bytes, tuple)):
                json.dumps(data, allow_nan=event == "execution_error")
    except (TypeError, ValueError) as error:
        return [f"what is shown is no JSON: {error}"]
    return []


def test_strange_graphs(comfy_app, fuzz, request):
    graphs = request.config.getoption("--fuzz-graphs")
    end, found, number = time.monotonic() + (math.inf if graphs else SECONDS), {}, 0
    while number < (graphs or math.inf) and time.monotonic() < end:
        for fault in faults_of(comfy_app, fuzz.graph(number)):
            found.setdefault(fault, number)
        number += 1
    print(f"{number} graphs of seed {fuzz.seed}, {len(found)} faults")
    assert not found, "\n".join(f"graph {number}: {fault}" for fault, number in found.items())
