"""ComfyUI with this pack and the others' packs, and what a graph does in it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import comfy_server
import torch
from find_comfyui import comfyui
from graphs import Graph, node
from safetensors.torch import load_file

STAND_INS = Path(__file__).parent / "stand_ins"


class Refused(Exception):
    """A graph did not run. by: the kind of node that failed, or "ComfyUI" where it did not take the graph."""

    def __init__(self, told: str, by: str):
        super().__init__(told)
        self.by = by


class Packs:
    def __init__(self, client: comfy_server.Client):
        self.client = client
        self.executed: list[str] = []
        self.evaluations: dict[str, int] = {}

    def saved(self, graph: Graph) -> torch.Tensor:
        """Run the graph; what it saves, and in `executed` and `evaluations` what ran for it. Refused where it fails."""
        file = self.client.base / "output" / "saved.safetensors"
        file.unlink(missing_ok=True)
        self.client.call("/packs/evaluations")
        try:
            self.executed, history = self.client.run(graph)
        except AssertionError as error:
            raise Refused(in_words(error.args[0]), "ComfyUI") from error
        self.evaluations = self.client.call("/packs/evaluations")
        for event, data in history["status"]["messages"]:
            if event == "execution_error":
                raise Refused(data["exception_message"].strip(), data["node_type"])
        if not file.exists():
            raise Refused("nothing came out", "nobody")
        return load_file(file)["value"]

    def of_teacher(self) -> list[str]:
        """The teacher's nodes that ran, or evaluated a model, for the last graph."""
        names = {name: name.split(".")[-1] for name in [*self.executed, *self.evaluations]}
        evaluating = [name for name in self.evaluations if names[name].startswith("teacher")]
        return sorted({name for name in self.executed if names[name].startswith("teacher_")} | {*evaluating})

    def forget(self) -> None:
        """Let nothing of earlier graphs be cached. ComfyUI forgets when it has run a graph, at the latest."""
        self.client.call("/free", {"unload_models": True, "free_memory": True})
        self.saved({"any": node("PacksRandom", rows=1, seed=0), "save": node("PacksSave", value=["any", 0])})


def in_words(answer: dict[str, Any]) -> str:
    """Why ComfyUI does not take a graph."""
    errors = [error for told in answer["node_errors"].values() for error in told["errors"]] or [answer["error"]]
    return "; ".join(f"{error['message']}: {error['details'][:100]}" for error in errors)


@contextmanager
def serving(packs: Path, checkout: Path, base: Path) -> Iterator[Packs]:
    """This pack as it stands in `checkout` is imported first, then those in the folder `packs`."""
    comfy = comfyui()
    assert comfy is not None, "no ComfyUI was found; set COMFYUI_PATH"
    (base / "custom_nodes").mkdir(parents=True)
    (base / "custom_nodes" / "adaptive_diffusion").symlink_to(checkout)
    (base / "custom_nodes" / "stand_ins").symlink_to(STAND_INS)
    config = base / "packs.yaml"
    config.write_text(f"packs:\n  custom_nodes: {packs}\n")
    options = ("--disable-api-nodes", "--extra-model-paths-config", str(config))
    with comfy_server.serving(comfy, sys.executable, base, *options) as client:
        yield Packs(client)
