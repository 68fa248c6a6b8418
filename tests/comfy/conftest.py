"""A real ComfyUI inside the test process: its executor and its nodes, without its web server."""

import asyncio
import copy
import importlib
import os
import sys
from pathlib import Path
from typing import Any

import pytest

PACK = Path(__file__).resolve().parents[2]
sys.path.insert(0, os.environ["COMFYUI_PATH"])
sys.path.append(str(PACK / "tests"))

import torch  # noqa: E402

torch.set_num_threads(1)

import comfy.options  # noqa: E402, F401
import utils.extra_config  # noqa: E402, F401  as main.py does; later, ComfyUI 0.19 would find comfy/utils.py
from comfy.cli_args import args  # noqa: E402

args.cpu = True


class Server:
    """What the executor needs of ComfyUI's server: it keeps every event, and who was to get it (None: every client)."""

    client_id = "test"
    last_node_id = None

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []
        self.receivers: list[tuple[str, str | None]] = []

    def send_sync(self, event: str, data: Any, sid: str | None = None) -> None:
        self.events.append((event, data))
        self.receivers.append((event, sid))

    def send_progress_text(self, text: str, node_id: str, sid: str | None = None) -> None:
        self.send_sync("text", {"node": node_id, "text": text}, sid)


class Run:
    """One executed prompt. executed: node ids in the order they ran. ui: what each node showed.

    texts: what stood on each node. kept: see TestKeep. events: all that clients were told.
    """

    def __init__(self, events: list[tuple[str, Any]], kept: dict[str, list], history: dict[str, Any]):
        self.events = [*events]
        self.executed = [data["node"] for event, data in events if event == "executing" and data.get("node")]
        self.ui = history.get("outputs", {})
        self.texts = {data["node"]: data["text"] for event, data in events if event == "text"}
        self.kept = kept
        errors = [data for event, data in events if event == "execution_error"]
        self.error = errors[0]["exception_message"].strip() if errors else None


class Refused(ValueError):
    """ComfyUI does not take the prompt."""


class Comfy:
    def __init__(self, cache: Any):
        import execution
        from server import PromptServer

        self.server = PromptServer.instance = Server()
        self.execution = execution
        self.refused: dict[str, Any] = {}
        self.executor = execution.PromptExecutor(self.server, cache, {"lru": 0, "ram": 0, "ram_inactive": 0})

    @property
    def give(self) -> dict[str, Any]:
        """Values for TestGive nodes, by name."""
        return nodes()["TestGive"].given

    def run(self, graph: dict[str, Any], client: str | None = "test") -> Run:
        """Validate and execute for `client`; Refused where ComfyUI does not take the prompt."""
        graph = copy.deepcopy(graph)
        valid = asyncio.run(self.execution.validate_prompt("p", graph, None))
        self.refused = valid[3]
        if not valid[0]:
            raise Refused(f"{valid[1]} {valid[3]}")
        kept = nodes()["TestKeep"].kept
        kept.clear()
        self.server.events.clear()
        queued_by = {"client_id": client} if client else {}
        self.executor.execute(graph, "p", queued_by, valid[2])
        return Run(self.server.events, dict(kept), getattr(self.executor, "history_result", {}))

    def fails(self, graph: dict[str, Any]) -> str:
        """The sentence with which the graph fails."""
        error = self.run(graph).error
        assert error is not None, "the graph did not fail"
        return error


@pytest.fixture(scope="session", autouse=True)
def booted(tmp_path_factory):
    import folder_paths

    base = tmp_path_factory.mktemp("base")
    folder_paths.set_output_directory(str(base / "output"))
    folder_paths.set_user_directory(str(base / "user"))
    folder_paths.set_input_directory(str(base / "input"))
    folder_paths.set_temp_directory(str(base / "temp"))
    import nodes as core

    for path in (PACK, PACK / "tests" / "test_pack"):
        assert asyncio.run(core.load_custom_node(str(path)))
    asyncio.run(core.init_extra_nodes(init_custom_nodes=False, init_api_nodes=False))
    with torch.inference_mode():
        yield base


def nodes() -> dict[str, Any]:
    import nodes as core

    return core.NODE_CLASS_MAPPINGS


def module(name: str) -> Any:
    """A module of the pack as ComfyUI loaded it, such as "host.sampling.drawing"."""
    root = nodes()["AdaptiveMerge"].__module__.rsplit(".nodes.", 1)[0]
    return importlib.import_module(f"{root}.{name}")


@pytest.fixture
def comfy_app() -> Comfy:
    import execution

    return Comfy(execution.CacheType.CLASSIC)


@pytest.fixture
def uncached_app() -> Comfy:
    import execution

    return Comfy(execution.CacheType.NONE)


@pytest.fixture
def evaluations(monkeypatch) -> dict[str, list[int]]:
    """Rows (with guidance) of every evaluation of the demo models, by role."""
    import comfy.model_base

    calls: dict[str, list[int]] = {"student": [], "teacher": []}
    original = comfy.model_base.BaseModel.apply_model

    def counted(self, x, *arguments, **options):
        calls[self.role].append(x.shape[0])
        return original(self, x, *arguments, **options)

    load = nodes()["AdaptiveLoadDemoModels"].execute.__func__

    def marked(cls, role):
        output = load(cls, role=role)
        output.args[0].model.role = role
        return output

    monkeypatch.setattr(comfy.model_base.BaseModel, "apply_model", counted)
    monkeypatch.setattr(nodes()["AdaptiveLoadDemoModels"], "execute", classmethod(marked))
    return calls
