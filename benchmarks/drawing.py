"""Draws and grades the images of benchmarks.quality, each way in a file of its own that is kept."""

import random
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy
import torch

from adaptive_diffusion.estimators import Estimator
from adaptive_diffusion.files import replacing
from adaptive_diffusion.standalone.counting import counting
from adaptive_diffusion.standalone.demo import load_estimator, settings
from adaptive_diffusion.standalone.oracle import grade
from adaptive_diffusion.standalone.scenes import Scene
from benchmarks.ways import Plan, Way
from training.export import DEMO_MODELS
from training.sampling import BATCH, DemoModels, noise_of, seeds_for
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
    exact, scores = (numpy.concatenate(column) for column in zip(*parts, strict=True))
    with replacing(path) as beside, beside.open("wb") as file:
        numpy.savez(file, exact=exact, scores=scores)
    return f"{path.stem}, exact {exact.mean():.3f}"


@torch.inference_mode()
def _batch(way: Way, rows: list[tuple[Scene, int]], scored: bool) -> Drawn:
    models, asked = _models(), [scene for scene, _ in rows]
    captions, seeds = [scene.caption for scene in asked], [seed for _, seed in rows]
    with counting(models.student if way.drawer == "student" else models.teacher) as counted:
        latents = sample(models, way, captions, seeds)
    if counted.rows != way.evaluations * len(rows):
        raise AssertionError(f"{way} took {counted.rows} evaluations for {len(rows)} images")
    images = models.decode(latents)
    exact = [float(grade(image, scene).exact) for image, scene in zip(images, asked, strict=True)]
    scores = _estimator().score(torch.from_numpy(images).float() / 255, captions).numpy() if scored else []
    return Drawn(numpy.array(exact), numpy.array(scores, dtype=numpy.float32))


def sample(models: DemoModels, way: Way, captions: list[str], seeds: list[int]) -> torch.Tensor:
    """Latents (B, 8, 8, 8); every way starts from the same noise."""
    if way.drawer == "student":
        return models.student_lcm(captions, seeds, way.steps)
    if way.drawer == "ddim":
        return models.teacher_ddim(captions, noise_of(seeds), way.steps, way.cfg)
    if way.drawer == "unipc":
        return models.regenerate(captions, seeds, way.steps, way.cfg)
    latents = models.student_lcm(captions, seeds, settings()["student"]["steps"])
    return models.refine(captions, latents, seeds, way.steps, settings()["teacher"]["rollback"], way.cfg)


@cache
def _models() -> DemoModels:
    models = DemoModels(DEMO_MODELS)
    models.vae.decoder.to(memory_format=torch.channels_last)
    return models


@cache
def _estimator() -> Estimator:
    return load_estimator()
