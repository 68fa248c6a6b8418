"""A live ComfyUI server with this pack, and a client that talks to it."""

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from find_comfyui import PACK

START = 300
FOLDERS = ("custom_nodes", "models", "models/quality_estimators", "input", "output", "temp", "user")


class Client:
    """What a headless program does with ComfyUI's API at a local port."""

    def __init__(self, port: int, base: Path, process: subprocess.Popen):
        self.address, self.base, self.process = f"127.0.0.1:{port}", base, process
        self.id = uuid.uuid4().hex

    def call(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.address}{path}", data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request) as answer:
                return json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            return json.load(error)

    def read(self, path: str) -> bytes:
        """What stands at a path, as it came."""
        with urllib.request.urlopen(f"http://{self.address}{path}") as answer:
            return answer.read()

    def queue(self, graph: dict[str, Any]) -> str:
        """Queue the graph; its prompt id."""
        answer = self.call("/prompt", {"prompt": graph, "client_id": self.id})
        assert "prompt_id" in answer and not answer.get("node_errors"), answer
        return answer["prompt_id"]

    def history(self, prompt: str, patience: float = 10) -> dict[str, Any]:
        """What the run left, once it has ended."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            found = self.call(f"/history/{prompt}")
            if prompt in found:
                return found[prompt]
            time.sleep(0.05)
        raise AssertionError("the prompt left no history")

    def run(self, graph: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
        """The ids of the nodes that executed, in order, and the prompt's history."""
        import websocket

        self.id = uuid.uuid4().hex  # with the old one, the end of the last connection would end this one's messages
        stream = websocket.create_connection(f"ws://{self.address}/ws?clientId={self.id}", timeout=START)
        prompt, executed = self.queue(graph), []
        while True:
            message = stream.recv()
            event = json.loads(message) if isinstance(message, str) else {"type": "preview"}
            if event["type"] == "execution_error":
                break
            if event["type"] == "executing" and event["data"].get("prompt_id") == prompt:
                if event["data"]["node"] is None:
                    break
                executed.append(event["data"]["node"])
        stream.close()
        return executed, self.history(prompt)


@contextmanager
def serving(comfy: Path, python: str, base: Path, *options: str) -> Iterator[Client]:
    """A server whose models, input, output and user folders are those of `base`; it ends with the block."""
    prepared(base)
    port, log = free_port(), base / "log.txt"
    own = ["--cpu", "--port", str(port), "--base-directory", str(base), "--database-url", "sqlite:///:memory:"]
    command = [python, str(comfy / "main.py"), *own, "--disable-auto-launch", *options]
    with log.open("a") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, cwd=base)
    client = Client(port, base, process)
    try:
        wait_until_up(client, log)
        yield client
    finally:
        process.terminate()
        process.wait(30)


def prepared(base: Path) -> Path:
    """The folder as a base directory of ComfyUI, with this pack and that of the tests."""
    for folder in FOLDERS:
        (base / folder).mkdir(parents=True, exist_ok=True)
    for name, path in (("adaptive_diffusion", PACK), ("test_pack", PACK / "tests" / "test_pack")):
        link = base / "custom_nodes" / name
        if not link.is_symlink():
            link.symlink_to(path)
    return base


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_until_up(client: Client, log: Path) -> None:
    for _ in range(START * 4):
        assert client.process.poll() is None, log.read_text()[-2000:]
        try:
            client.call("/prompt")
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.25)
    raise AssertionError(log.read_text()[-2000:])
