"""A live ComfyUI server with this pack, and a client that sees what runs."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest
import websocket

PACK = Path(__file__).resolve().parents[2]
sys.path.append(str(PACK / "tests"))
START = 120


class Client:
    def __init__(self, port: int):
        self.address = f"127.0.0.1:{port}"
        self.id = uuid.uuid4().hex

    def call(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.address}{path}", data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def run(self, graph: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
        """The ids of the nodes that executed, in order, and the prompt's history."""
        stream = websocket.create_connection(f"ws://{self.address}/ws?clientId={self.id}", timeout=START)
        answer = self.call("/prompt", {"prompt": graph, "client_id": self.id})
        assert not answer.get("node_errors"), answer
        executed = []
        while True:
            message = stream.recv()
            if not isinstance(message, str):
                continue
            event = json.loads(message)
            if event["type"] == "executing" and event["data"].get("prompt_id") == answer["prompt_id"]:
                if event["data"]["node"] is None:
                    break
                executed.append(event["data"]["node"])
            if event["type"] == "execution_error":
                break
        stream.close()
        return executed, self.history(answer["prompt_id"])

    def history(self, prompt_id: str) -> dict[str, Any]:
        for _ in range(100):
            found = self.call(f"/history/{prompt_id}")
            if prompt_id in found:
                return found[prompt_id]
            time.sleep(0.1)
        raise AssertionError("the prompt left no history")


@pytest.fixture(scope="module", params=[(), ("--cache-none",)], ids=["cached", "cache-none"])
def client(request, tmp_path_factory):
    base = tmp_path_factory.mktemp("server")
    for folder in ("custom_nodes", "models", "models/quality_estimators", "input", "output", "temp", "user"):
        (base / folder).mkdir()
    (base / "custom_nodes" / "adaptive_diffusion").symlink_to(PACK)
    (base / "custom_nodes" / "test_pack").symlink_to(PACK / "tests" / "test_pack")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--cpu", "--port", str(port), "--base-directory", str(base), "--database-url", "sqlite:///:memory:"]
    log = (base / "log.txt").open("w")
    main = str(Path(os.environ["COMFYUI_PATH"]) / "main.py")
    command = [sys.executable, main, *options, "--disable-auto-launch", *request.param]
    server = subprocess.Popen(command, stdout=log, stderr=log, cwd=base)
    live = Client(port)
    live.base = base
    try:
        wait_until_up(live, server, base / "log.txt")
        yield live
    finally:
        server.terminate()
        server.wait(30)


def wait_until_up(live: Client, server: subprocess.Popen, log: Path) -> None:
    for _ in range(START * 4):
        assert server.poll() is None, log.read_text()[-2000:]
        try:
            live.call("/prompt")
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.25)
    raise AssertionError(log.read_text()[-2000:])
