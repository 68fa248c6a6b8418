"""What of ComfyUI's HTTP a batch needs, as a program that takes ComfyUI's options: a picture for each prompt.

The colour of picture i is its seed; it is rejected where its prompt ends in an odd number. Prompts of another kind:
"die" ends the process, "fail" the run, "lose" loses what was queued, "few" saves no picture. One that ends in "slow"
takes a while. Of the picture of a "cut" that comes first, half is sent at first. "mute" has the first process that is
asked for it answer no more, and live on. "film" saves another kind of picture.
"""

import argparse
import email
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from PIL import Image

THRESHOLD = 0.5


class Mute(Exception):
    """The end of all answers."""


class State:
    """What a server keeps. table: the gate's threshold, in a file of its input folder where there is one."""

    def __init__(self, inputs: Path, outputs: Path):
        self.inputs, self.outputs = inputs, outputs
        self.history: dict[str, dict] = {}
        self.lost: set[str] = set()
        self.muted = inputs.parent / "muted"
        self.cut = False

    def threshold(self) -> float:
        table = self.inputs / "table.json"
        return json.loads(table.read_text()) if table.exists() else THRESHOLD

    def run(self, graph: dict) -> str:
        key = f"run-{len(self.history)}"
        node = next(node for node in graph.values() if node["class_type"] == "AdaptiveLoadPrompts")["inputs"]
        lines = (self.inputs / node["file"]).read_text().splitlines()
        prompts = [json.loads(line)[node["column"]] for line in lines for _ in range(node.get("pictures", 1))]
        if "die" in prompts:
            os._exit(1)
        if "mute" in prompts and not self.muted.exists():
            self.muted.touch()
            raise Mute
        if "lose" in prompts:
            self.lost.add(key)
        self.cut |= "cut" in prompts and not self.history
        time.sleep(0.3 * sum(prompt.endswith("slow") for prompt in prompts))
        self.history[key] = self._failed() if "fail" in prompts else self._entry(prompts, node["seed"], graph)
        return key

    def _failed(self) -> dict:
        told = {"node_id": "3", "node_type": "KSampler", "exception_message": "out of memory\nmore"}
        return {"status": {"status_str": "error", "messages": [["execution_error", told]]}, "outputs": {}}

    def _entry(self, prompts: list[str], seed: int, graph: dict) -> dict:
        kinds = ["webp" if prompt == "film" else "png" for prompt in prompts]
        images = [self._image(seed + i, kinds[i]) for i, prompt in enumerate(prompts) if prompt != "few"]
        odd = [i for i, prompt in enumerate(prompts) if prompt[-1] in "13579"]
        outputs: dict[str, dict] = {"save": {"images": images}}
        gate = {"scores": [[0.1 if i in odd else 0.9 for i in range(len(prompts))]], "rejected": [odd]}
        for key, node in graph.items():
            if node["class_type"] == "AdaptiveThresholdGate":
                shown = {**gate, "table": "mine", "k": 50.0, "threshold": self.threshold(), "following": None}
                outputs[key] = {"adaptive_gate": [shown]}
            if node["class_type"] == "AdaptiveReport":
                outputs[key] = {
                    "adaptive_report": [{"index": i, "verdict": "teacher failed"} for i in range(len(prompts))]
                }
            if node["class_type"] == "SaveImage" and key != "save":
                outputs[key] = {"images": images}
        return {"status": {"status_str": "success"}, "outputs": outputs}

    def _image(self, seed: int, kind: str) -> dict:
        self.outputs.mkdir(parents=True, exist_ok=True)
        name = f"{seed}_{time.monotonic_ns()}.{kind}"
        Image.new("RGB", (4, 4), (seed % 256, 0, 0)).save(self.outputs / name)
        return {"filename": name, "subfolder": "", "type": "output"}


class Handler(BaseHTTPRequestHandler):
    state: State

    def do_GET(self) -> None:
        where = urlsplit(self.path)
        if where.path == "/system_stats":
            self._answer({"system": {}})
        elif where.path.startswith("/history/"):
            key = where.path.rpartition("/")[2]
            found = {} if key in self.state.lost else {key: self.state.history[key]}
            self._answer(found)
        elif where.path == "/queue":
            self._answer({"queue_running": [], "queue_pending": []})
        else:
            data = (self.state.outputs / parse_qs(where.query)["filename"][0]).read_bytes()
            cut, self.state.cut = self.state.cut, False
            self._answer(data, sent=len(data) // 2 if cut else None)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/upload/image":
            kind = f"Content-Type: {self.headers['Content-Type']}\n\n".encode()
            for part in email.message_from_bytes(kind + body).get_payload():
                if part.get_filename():
                    (self.state.inputs / part.get_filename()).write_bytes(part.get_payload(decode=True))
            self._answer({})
        elif self.path == "/prompt":
            try:
                self._answer(*self._queued(json.loads(body)["prompt"]))
            except Mute:
                self.server.shutdown()
                self.server.server_close()
                self.close_connection = True
        else:
            self._answer({})

    def _queued(self, graph: dict) -> tuple[dict, int]:
        if any(node["class_type"] == "Missing" for node in graph.values()):
            errors = {"9": {"errors": [{"message": "Value not in list", "details": "unet: 'x' not in []"}]}}
            return {"error": {"message": "invalid"}, "node_errors": errors}, 400
        return {"prompt_id": self.state.run(graph), "node_errors": {}}, 200

    def _answer(self, content: dict | bytes, status: int = 200, sent: int | None = None) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:sent])

    def log_message(self, *_: object) -> None:
        pass


def server(inputs: Path, outputs: Path, port: int = 0) -> ThreadingHTTPServer:
    handler = type("Handler", (Handler,), {"state": State(inputs, outputs)})
    return ThreadingHTTPServer(("127.0.0.1", port), handler)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--input-directory", type=Path)
    parser.add_argument("--output-directory", type=Path)
    parser.add_argument("--fails", action="store_true")
    options, _ = parser.parse_known_args()
    if options.fails:
        raise SystemExit("no torch here")
    server(options.input_directory, options.output_directory, options.port).serve_forever()
    time.sleep(60)


if __name__ == "__main__":
    main()
