"""Draws the images of benchmarks.quality by the stand-alone pipeline and grades them; each way's file is kept."""

import random
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy
import torch

from adaptive_diffusion.files import replacing
from adaptive_diffusion.standalone.scenes import Scene
from benchmarks.ways import STUDENT, Plan, Way
from training.export import DEMO_MODELS
from training.sampling import BATCH, DemoModels, exact, seeds_for
from training.scenes import sample_scene

SEED = 20266
PART = "test"
SINGLES, SINGLE_SEEDS, OTHERS = 20, 14, 290


class Drawn(NamedTuple):
    """exact: 1.0 for each image that shows its caption, (N,). scores: the estimator's, (N,); empty if not asked for."""

    exact: numpy.ndarray
    scores: numpy.ndarray


@cache
def scenes() -> list[Scene]:
    """Every image's scene: all one-object captions many times, and as many different ones of two and of three."""
    rng = random.Random(SEED)
    singles = _different(rng, 1, SINGLES)
    others = [scene for count in (2, 3) for scene in _different(rng, count, OTHERS)]
    return singles * SINGLE_SEEDS + others


def _different(rng: random.Random, objects: int, count: int) -> list[Scene]:
    """`count` scenes of which no two mean the same."""
    found: dict[str, Scene] = {}
    while len(found) < count:
        scene = sample_scene(rng, objects, PART)
        found.setdefault(scene.meaning, scene)
    return list(found.values())


def noise_seeds(replicate: int) -> list[int]:
    """A noise seed of the test part for every image, other ones in every replicate."""
    count = len(scenes())
    return seeds_for((replicate + 1) * count, SEED, PART)[replicate * count :]


def drawn(folder: Path, way: Way, replicate: int) -> Drawn:
    """What `draw_all` left of this way."""
    with numpy.load(_path(folder, way, replicate)) as kept:
        return Drawn(kept["exact"], kept["scores"])


def draw_all(folder: Path, plan: Plan, workers: int) -> None:
    """Draw what the folder lacks, on processes of one thread each."""
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(folder, way, plan.first + i, way in plan.scored) for way in plan.ways for i in range(way.replicates)]
    missing = [job for job in jobs if not _path(*job[:3]).exists()]
    with torch.multiprocessing.get_context("spawn").Pool(workers) as pool:
        for done, name in enumerate(pool.imap_unordered(_draw, missing), 1):
            print(f"{done} of {len(missing)}: {name}", flush=True)


def _path(folder: Path, way: Way, replicate: int) -> Path:
    return folder / f"{way.drawer}-{way.steps}-{way.cfg:g}-{replicate}.npz"


def _draw(job: tuple[Path, Way, int, bool]) -> str:
    folder, way, replicate, scored = job
    torch.set_num_threads(1)
    path, rows = _path(folder, way, replicate), list(zip(scenes(), noise_seeds(replicate), strict=True))
    parts = [_batch(way, rows[first : first + BATCH], scored) for first in range(0, len(rows), BATCH)]
    drawn = Drawn(*(numpy.concatenate(column) for column in zip(*parts, strict=True)))
    with replacing(path) as beside, beside.open("wb") as file:
        numpy.savez(file, **drawn._asdict())
    return f"{path.stem}, exact {drawn.exact.mean():.3f}"


def _batch(way: Way, rows: list[tuple[Scene, int]], scored: bool) -> Drawn:
    captions, seeds = [scene.caption for scene, _ in rows], [seed for _, seed in rows]
    result = _models().draw(way.drawer, captions, seeds, way.steps, way.cfg)
    before = STUDENT.evaluations if way.drawer == "refine" else 0
    if {*result.evaluations} != {before + way.evaluations}:
        raise AssertionError(f"{way} took {sorted({*result.evaluations})} evaluations an image, {before} before it")
    return Drawn(exact(result), _models().scores(result) if scored else numpy.array([]))


@cache
def _models() -> DemoModels:
    return DemoModels(DEMO_MODELS)
