"""A student in several numbers of steps, and its teacher, each drawn into a run of its own."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..bundled import DEMO_MODELS
from . import collect, generate

STEPS = (1, 2, 4, 8)


@dataclass(frozen=True)
class Drawer:
    """Who draws, and how: the run's name, and the model with its steps and guidance scale."""

    name: str
    model: str
    steps: int
    cfg: float


def drawers(student: str, teacher: str | None) -> Iterator[Drawer]:
    """The student in each of STEPS, then the teacher as it draws alone; with the demo student, the demo's."""
    from ..standalone import models

    cfg = models.settings(student, "student")["cfg"]
    for steps in STEPS:
        yield Drawer(f"student-{steps}", student, steps, cfg)
    teacher = teacher or (models.DEMO if student == models.DEMO else None)
    if teacher:
        own = models.settings(teacher, "teacher")
        path = str(DEMO_MODELS) if teacher == models.DEMO else teacher
        yield Drawer("teacher", path, own["steps_alone"], own["cfg"])


def drawn(chosen: argparse.Namespace, estimator: str) -> list[Path]:
    """The runs of all drawers in the folder of --out, each drawn now or gone on with."""
    from ..standalone import models

    runs, size = [], models.size_of(chosen.student)
    for drawer in drawers(chosen.student, chosen.teacher):
        runs.append(chosen.out / drawer.name)
        place = runs[-1].with_name(f"{drawer.name}-shards") if chosen.cluster else runs[-1]
        options = {
            **{"student": drawer.model, "student-steps": drawer.steps, "student-cfg": drawer.cfg, "k": 0},
            **{"prompts": chosen.prompts, "column": chosen.column, "out": place, "estimator": estimator},
            **{"device": chosen.device, "clip-tokenizer": chosen.clip_tokenizer, "clip-vision": chosen.clip_vision},
            **{"cluster": chosen.cluster, "workers": chosen.workers, "size": size and "x".join(map(str, size))},
        }
        parser = argparse.ArgumentParser()
        commands = parser.add_subparsers()
        generate.add(commands)
        collect.add(commands)
        words = [f"--{name}={value}" for name, value in options.items() if value is not None]
        _run(parser, ["generate", *words])
        if chosen.cluster:
            _run(parser, ["collect", str(place), f"--out={runs[-1]}"])
    return runs


def _run(parser: argparse.ArgumentParser, words: list[str]) -> None:
    command = parser.parse_args(words)
    command.run(command)
