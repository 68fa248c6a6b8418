"""Drawing with the demo models through the stand-alone pipeline: captions and noise seeds, and who draws them."""

import itertools
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
from diffusers import EulerDiscreteScheduler

from adaptive_diffusion.diffusion.noise import derive_seed
from adaptive_diffusion.standalone import demo
from adaptive_diffusion.standalone.oracle import ExactJudge
from adaptive_diffusion.standalone.pipeline import AdaptiveDiffusionPipeline, AdaptiveResult
from adaptive_diffusion.standalone.teaching import in_mode

from .scenes import Scene, part_of, sample_scene

BATCH = 60
DRAWERS = ("student", "ddim", "unipc", "refine")


class DemoModels:
    """The demo models of a folder as pipelines, one for each of DRAWERS.

    student, ddim, unipc: who draws alone. ddim: the teacher with diffusers' Euler at trailing timesteps, whose steps
    are DDIM's (arXiv 2010.02502, section 4.3) down to a clean image. unipc: the teacher as it redraws.
    refine: the teacher with UniPC from what the student drew. judge: what scores; the folder's own estimator.
    """

    def __init__(self, folder: Path, judge: Any = None):
        self.settings = demo.settings(folder)
        self.judge = judge or demo.load_estimator(folder)
        student, teacher = demo.load_student(folder), demo.load_teacher(folder)
        ddim, unipc = (in_mode(teacher, takes_image=False) for _ in range(2))
        ddim.scheduler = EulerDiscreteScheduler.from_pretrained(folder, subfolder="scheduler")
        alone = {"student": student, "ddim": ddim, "unipc": unipc}
        self.pipelines = {name: AdaptiveDiffusionPipeline(self.judge, one, None) for name, one in alone.items()}
        self.pipelines["refine"] = AdaptiveDiffusionPipeline(self.judge, student, teacher)

    def draw(
        self,
        drawer: str,
        captions: Sequence[str],
        seeds: Sequence[int],
        steps: int,
        cfg: float = 1.0,
        rollback: float | None = None,
    ) -> AdaptiveResult:
        """An image of each caption from its noise seed; steps, cfg, rollback (the demo's own): of who draws it last."""
        settings: dict[str, Any] = {"num_inference_steps_student": steps, "student_guidance": cfg, "k": 0}
        if drawer == "refine":
            student, teacher = self.settings["student"], self.settings["teacher"]
            settings = {
                "num_inference_steps_student": student["steps"],
                "num_inference_steps_teacher": steps,
                "student_guidance": student["cfg"],
                "teacher_guidance": cfg,
                "sigma": rollback or teacher["rollback"],
                "k": 100,
                "rollback_scale": teacher["rollback_scale"],
            }
        return self.pipelines[drawer](captions, seed=seeds, batch_size=BATCH, **settings)

    def scores(self, result: AdaptiveResult) -> numpy.ndarray:
        """The judge's scores of what came out, (N,)."""
        if result.decision.any_rejected:
            return self.judge.score(result.pixels, result.decision.scores.prompts).numpy()
        return numpy.array(result.decision.scores.values)


def evaluations(steps: int, cfg: float) -> int:
    """Of the network for an image in diffusers' pipelines, which guide above a cfg of 1."""
    return steps * (2 if cfg > 1 else 1)


def exact(result: AdaptiveResult) -> numpy.ndarray:
    """1.0 for every image that shows exactly its caption, else 0.0, (N,)."""
    return ExactJudge().score(result.pixels, result.decision.scores.prompts).double().numpy()


def captions_for(count: int, seed: int, part: str = "training") -> tuple[list[Scene], list[int]]:
    """`count` scenes, one to three objects in turn, and a noise seed for each; meanings and seeds belong to `part`."""
    rng = random.Random(seed)
    return [sample_scene(rng, 1 + i % 3, part) for i in range(count)], seeds_for(count, seed, part)


def seeds_for(count: int, seed: int, part: str = "training") -> list[int]:
    """The first `count` noise seeds derived from `seed` that belong to `part`."""
    derived = (derive_seed(seed, i) for i in itertools.count())
    return list(itertools.islice((s for s in derived if part_of(s) == part), count))
