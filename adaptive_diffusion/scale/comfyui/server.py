"""What a ComfyUI server is asked over HTTP."""

import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests

from ...quoting import quoted, unquoted
from ..reasons import first_line
from .results import Outputs
from .workflow import Graph

SECONDS = 60.0
SOONEST, LATEST, SHARE = 0.02, 0.25, 0.02
"""Between two looks at the history: this share of the time waited so far, within these bounds, in seconds."""

STOPPED = "it was stopped"


class Gone(Exception):
    """A server that does not answer any more."""


@dataclass
class Server:
    """The ComfyUI at an address such as http://127.0.0.1:8188; no proxy stands between.

    stopped: set by another thread where nobody waits any more for what is queued.
    """

    address: str
    client: str = field(default_factory=lambda: uuid.uuid4().hex)
    stopped: bool = False

    def __post_init__(self) -> None:
        self._session = requests.Session()
        self._session.trust_env = False

    def answers(self) -> bool:
        """Whether there is a ComfyUI at the address now."""
        with suppress(Gone, ValueError):
            return "system" in self._json("GET", "/system_stats")
        return False

    def upload(self, name: str, data: bytes) -> None:
        """Put a file into ComfyUI's input folder, over one that is there."""
        form = {"type": "input", "overwrite": "true"}
        self._json("POST", "/upload/image", data=form, files={"image": (name, data)})

    def queue(self, graph: Graph) -> str:
        """Queue a graph; its id. ValueError, with the server's reasons, where it is refused."""
        answer = self._json("POST", "/prompt", json={"prompt": graph, "client_id": self.client})
        if "prompt_id" not in answer or answer.get("node_errors"):
            self._forget(answer.get("prompt_id"), running=True)
            raise ValueError(f"ComfyUI at {self.address} refuses the workflow: {_refusal(answer, graph)}")
        return answer["prompt_id"]

    @contextmanager
    def ran(self, graph: Graph) -> Iterator[Outputs]:
        """What the nodes of a graph left, once it has run. ValueError for what its nodes say where one fails."""
        key, done = self.queue(graph), False
        try:
            entry = self._waited(key)
            done = True
            _check_success(entry, self.address)
            yield entry["outputs"]
        finally:
            with suppress(Gone, ValueError):
                self._forget(key, running=not done)

    def read(self, place: Mapping[str, str]) -> bytes:
        """A picture, by where the history says that it lies."""
        wanted = {name: place[name] for name in ("filename", "subfolder", "type")}
        return self._call("GET", "/view", params=wanted).content

    def _waited(self, key: str) -> Mapping[str, Any]:
        begun = time.monotonic()
        while not self.stopped:
            if found := self._json("GET", f"/history/{key}").get(key):
                return found
            if not self._queued(key) and not self._json("GET", f"/history/{key}"):
                raise ValueError(f"ComfyUI at {self.address} lost what was queued there; run it again")
            time.sleep(min(LATEST, max(SOONEST, SHARE * (time.monotonic() - begun))))
        raise ValueError(STOPPED)

    def _queued(self, key: str) -> bool:
        queue = self._json("GET", "/queue")
        return any(key == item[1] for name in ("queue_running", "queue_pending") for item in queue[name])

    def _forget(self, key: str | None, running: bool = False) -> None:
        """Take what was queued out of the history, or stop it."""
        if key and running:
            self._call("POST", "/queue", json={"delete": [key]})
            self._call("POST", "/interrupt", json={"prompt_id": key})
        elif key:
            self._call("POST", "/history", json={"delete": [key]})

    def _json(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        answer = self._call(method, path, **content)
        try:
            return answer.json()
        except ValueError as error:
            raise ValueError(f"what answers at {self.address} is no ComfyUI; name the address of one") from error

    def _call(self, method: str, path: str, **content: Any) -> requests.Response:
        try:
            answer = self._session.request(method, self.address + path, timeout=SECONDS, **content)
        except requests.RequestException as error:  # a picture that is cut is no ConnectionError
            raise Gone(f"ComfyUI at {self.address} does not answer") from error
        if not answer.ok and path != "/prompt":
            raise ValueError(f"ComfyUI at {self.address} answers {answer.status_code} to {path}; look at its log")
        return answer


def server_at(address: str) -> Server:
    """The one at http://host:port, or host:port; ValueError for anything else."""
    full = address if "://" in address else f"http://{address}"
    try:
        parts = urlsplit(full)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not parts.query
    except ValueError:  # as parts.port raises it of what is no number of a port
        known = False
    if known:
        return Server(full.rstrip("/"))
    raise ValueError(f"{quoted(address)} is no address of a ComfyUI; write it as host:8188")


def _check_success(entry: Mapping[str, Any], address: str) -> None:
    """ValueError, with what the node said, where a graph did not run to its end."""
    if entry.get("status", {}).get("status_str") == "success":
        return
    messages = dict(entry.get("status", {}).get("messages", ()))
    told = messages.get("execution_error", {})
    reason = first_line(told.get("exception_message", "it was interrupted"))
    node = f"node {told['node_id']} ({told['node_type']}): " if "node_id" in told else ""
    raise ValueError(f"ComfyUI at {address} failed: {node}{reason}")


def _refusal(answer: Mapping[str, Any], graph: Graph) -> str:
    """The first reason of a refusal, with its node."""
    for key, node in (answer.get("node_errors") or {}).items():
        kind = graph.get(key, {}).get("class_type", "unknown")
        return f"node {key} ({kind}): {_spelled(node['errors'][:1])}"
    return _spelled([answer.get("error") or {}])


def _spelled(errors: Sequence[Any]) -> str:
    parts = [each if isinstance(each, str) else json.dumps(each) for each in errors if not isinstance(each, dict)]
    parts += [
        ": ".join(filter(None, (each.get("message"), each.get("details")))) for each in errors if isinstance(each, dict)
    ]
    return unquoted("; ".join(parts) or "it gives no reason")
