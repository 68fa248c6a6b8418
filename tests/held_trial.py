"""Images that are held in several runs and improved in others, whose server is killed and interrupted in between."""

import json
import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from comfy_server import Client
from graphs import Graph, adaptive_graph, changed, demo_prompts, holding_graph, node, taking_graph
from safetensors import safe_open
from safetensors.torch import load_file

PROMPTS, BATCH, HELD_IN, TAKEN_IN = 10, 4, 5, 2
TOTAL = PROMPTS * BATCH
SEED, STEPS, HOUR = 100, 3, 3600
Start = Callable[[], AbstractContextManager[Client]]


def merged_as_latents(graph: Graph, student: list, prefix: str) -> Graph:
    """The graph with the latents merged, which keep every bit, and saved by ComfyUI."""
    gone = ("save", "shown", "teacher_images")
    graph = {name: each for name, each in graph.items() if name not in gone}
    graph = changed(graph, "merge", student=student, improved=["teacher", 0])
    return graph | {"latents": node("SaveLatent", samples=["merge", 0], filename_prefix=prefix)}


def without_holding(first: int) -> Graph:
    """Two prompts from `first` on, improved at once."""
    lists = holding_graph(demo_prompts(PROMPTS)[first : first + PROMPTS // HELD_IN], SEED + first)
    graph = adaptive_graph(["prompts", 0], 100.0, BATCH, ["seeds", 1], STEPS)
    graph |= {name: lists[name] for name in ("prompts", "seeds")}
    return merged_as_latents(changed(graph, "gate", student=["student", 1]), ["student", 0], f"plain/{first:02d}")


class Trial:
    """One folder of held images, in a ComfyUI whose folders lie in `base`."""

    def __init__(self, base: Path, name: str):
        self.base, self.name = base, name
        self.folder = base / "output" / "held" / name

    def stages(self) -> list[tuple[Callable[[], Graph], Callable[[], bool]]]:
        """What is queued one after the other, and whether it is done."""
        each = PROMPTS // HELD_IN
        holding = [self._holding(first, BATCH * (first + each)) for first in range(0, PROMPTS, each)]
        share = TOTAL // TAKEN_IN
        return [*holding, *(self._taking(share * number) for number in range(1, TAKEN_IN + 1))]

    def _holding(self, first: int, count: int) -> tuple[Callable[[], Graph], Callable[[], bool]]:
        prompts = demo_prompts(PROMPTS)[first : first + PROMPTS // HELD_IN]
        graph = holding_graph(prompts, SEED + first, self.name, 100.0, BATCH)
        return lambda: graph, lambda: self.held >= count

    def _taking(self, count: int) -> tuple[Callable[[], Graph], Callable[[], bool]]:
        def graph() -> Graph:
            taking = taking_graph(self.name, count - self.improved, STEPS)
            return merged_as_latents(taking, ["take", 1], "later/x")

        return graph, lambda: self.improved >= count

    @property
    def held(self) -> int:
        return len([*self.folder.glob("[0-9]*.safetensors")])

    @property
    def improved(self) -> int:
        return len([*(self.folder / "improved").glob("[0-9]*")])

    def check(self, plain: Sequence[torch.Tensor]) -> float:
        """The largest difference of a result from what it is without holding, in deviations of that.

        AssertionError where an image is missing, there twice, or anything is left behind.
        """
        paths = sorted((self.folder / "improved").iterdir())
        assert [path.name[:6] for path in paths] == [f"{number:06d}" for number in range(TOTAL)]
        assert len({path.name[7:23] for path in paths}) == TOTAL
        assert sorted(path.name for path in self.folder.iterdir()) == ["held.json", "improved"]
        assert all(" improved " in path.name for path in paths)
        with safe_open(paths[0], framework="pt") as file:
            assert json.loads(file.metadata()["about"])["verdict"] == "rejected"
        rows = [load_file(path)["latent_tensor"][0] for path in paths]
        return max(float((row - one).abs().max() / one.std()) for row, one in zip(rows, plain, strict=True))


def plain_rows(client: Client) -> list[torch.Tensor]:
    """Every image's latent without holding, in order."""
    for first in range(0, PROMPTS, PROMPTS // HELD_IN):
        _ended(client, without_holding(first))
    paths = sorted((client.base / "output" / "plain").glob("*.latent"))
    return [row for path in paths for row in load_file(path)["latent_tensor"]]


class Stopping:
    """Stops servers at random moments until it has done so `times` by SIGKILL and `times` by interruption."""

    def __init__(self, times: int, start: Start):
        self.left: dict[str, int] = {"killed": times, "interrupted": times}
        self.longest, self.start = 4.0, start

    def go_through(self, trial: Trial) -> None:
        """All stages of a trial, stopped as often as is left; each goes on until it is done."""
        stages = trial.stages()
        while stages:
            with self.start() as client:
                while stages and self._done(client, *stages[0]):
                    stages.pop(0)

    def _done(self, client: Client, graph: Callable[[], Graph], done: Callable[[], bool]) -> bool:
        """Queue until it is done; False where the server is killed before."""
        while not done():
            if self.left["interrupted"] and self.left["interrupted"] >= self.left["killed"]:
                self.left["interrupted"] -= self._interrupted(client, graph())
            elif self.left["killed"]:
                self.left["killed"] -= self._killed(client, graph(), done)
                return False
            else:
                _ended(client, graph())
        return True

    def _interrupted(self, client: Client, graph: Graph) -> bool:
        prompt = client.queue(graph)
        time.sleep(random.uniform(0, self.longest))
        client.call("/interrupt", {})
        status = client.history(prompt, HOUR)["status"]
        hit = any(event == "execution_interrupted" for event, _ in status["messages"])
        assert hit or status["status_str"] == "success", status
        self.longest *= 1.0 if hit else 0.9
        return hit

    def _killed(self, client: Client, graph: Graph, done: Callable[[], bool]) -> bool:
        client.queue(graph)
        time.sleep(random.uniform(0, self.longest))
        client.process.kill()
        client.process.wait()
        return not done()


def _ended(client: Client, graph: Graph) -> dict[str, Any]:
    status = client.history(client.queue(graph), HOUR)["status"]
    assert status["status_str"] == "success", status
    return status
