"""Pairs of the demo models for benchmarks.learned_gate: drawn by the stand-alone pipeline, graded, kept in chunks."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy
import torch

from adaptive_diffusion.files import replacing
from adaptive_diffusion.standalone.oracle import ExactJudge
from adaptive_diffusion.standalone.scenes import Scene
from training.export import DEMO_MODELS
from training.sampling import BATCH, DemoModels, exact

Job = tuple[Path, list[str], list[int], Sequence[int]]


class Task(NamedTuple):
    """Images to draw, kept under `name`. steps: of the student alone, beside the pair."""

    name: str
    scenes: Sequence[Scene]
    seeds: Sequence[int]
    steps: Sequence[int] = ()


class Drawn(NamedTuple):
    """N pairs. scores (N,), features (N, F): of the student's image. second (N,): the score of the teacher's.

    right, improved (N,): 1.0 where the student's, the teacher's image shows its caption exactly. alone (N, S): the same
    of the student with more steps. evaluations (1 + S,): of the teacher's image and the student's before it, of those.
    """

    scores: numpy.ndarray
    features: numpy.ndarray
    second: numpy.ndarray
    right: numpy.ndarray
    improved: numpy.ndarray
    alone: numpy.ndarray
    evaluations: numpy.ndarray


def draw_all(folder: Path, tasks: Sequence[Task], workers: int) -> None:
    """Draw what the folder lacks, on processes of one thread each; nothing of it is shown."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [job for task in tasks for job in _jobs(folder, task) if not job[0].exists()]
    with torch.multiprocessing.get_context("spawn").Pool(workers) as pool:
        for done, name in enumerate(pool.imap_unordered(_keep, missing), 1):
            print(f"{done} of {len(missing)}: {name}", flush=True)


def drawn(folder: Path, task: Task) -> Drawn:
    """What `draw_all` left of a task."""
    parts = [_kept(path) for path, *_ in _jobs(folder, task)]
    columns = dict(zip(Drawn._fields, zip(*parts, strict=True), strict=True))
    counted = columns.pop("evaluations")
    if any((one != counted[0]).any() for one in counted):
        raise AssertionError(f"chunks of {task.name} took other evaluations")
    return Drawn(**{name: numpy.concatenate(values) for name, values in columns.items()}, evaluations=counted[0])


def _jobs(folder: Path, task: Task) -> list[Job]:
    """The chunks of a task: where each is kept, its captions, its seeds and the steps of the student alone."""
    parts = [slice(start, start + BATCH) for start in range(0, len(task.scenes), BATCH)]
    captions = [scene.caption for scene in task.scenes]
    return [
        (folder / f"{task.name}-{part.start:05}.npz", captions[part], [*task.seeds[part]], task.steps) for part in parts
    ]


def _keep(job: Job) -> str:
    path, captions, seeds, steps = job
    found = _draw(captions, seeds, steps)
    with replacing(path) as beside, beside.open("wb") as file:
        numpy.savez(file, **found._asdict())
    return path.stem


def _kept(path: Path) -> Drawn:
    with numpy.load(path) as kept:
        return Drawn(**{name: kept[name] for name in Drawn._fields})


def _draw(captions: list[str], seeds: list[int], steps: Sequence[int]) -> Drawn:
    models = _models()
    teacher = models.settings["teacher"]
    pair = models.draw("refine", captions, seeds, teacher["steps"], teacher["cfg"])
    longer = [models.draw("student", captions, seeds, number) for number in steps]
    scores = pair.decision.scores
    taken = [one.evaluations[0] for one in (pair, *longer)]
    empty = numpy.empty((len(captions), 0))
    return Drawn(
        numpy.array(scores.values),
        scores.features,
        models.scores(pair).astype(float),
        ExactJudge().score(pair.student_pixels, captions).double().numpy(),
        exact(pair),
        numpy.stack([exact(one) for one in longer], 1) if longer else empty,
        numpy.array(taken),
    )


@cache
def _models() -> DemoModels:
    torch.set_num_threads(1)
    return DemoModels(DEMO_MODELS)
