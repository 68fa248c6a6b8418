"""Training and benchmarks draw with the demo models through the stand-alone pipeline."""

import functools
import re
from pathlib import Path

import numpy
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline

from adaptive_diffusion.standalone import demo
from adaptive_diffusion.standalone.oracle import ExactJudge
from adaptive_diffusion.standalone.pipeline import AdaptiveDiffusionPipeline
from adaptive_diffusion.standalone.teaching import in_mode
from benchmarks import demo_images, drawing
from benchmarks.ways import STUDENT, Way
from training import evaluate, ratings, sampling, table
from training.export import DEMO_MODELS
from training.sampling import DemoModels, exact, seeds_for

torch.set_num_threads(1)
PACK = Path(__file__).parents[2]
PROMPTS, SEEDS = list(demo.PROMPTS[:4]), [3, 11, 5, 8]
TEACHER = demo.settings()["teacher"]


@functools.cache
def models() -> DemoModels:
    return DemoModels(DEMO_MODELS)


@pytest.fixture(autouse=True)
def read_once(monkeypatch):
    """The models are read from disk once, whoever asks for them."""
    for module in (demo_images, drawing, ratings, table, evaluate):
        if hasattr(module, "DemoModels"):
            monkeypatch.setattr(module, "DemoModels", lambda *_: models())
    drawing._models.cache_clear()


@pytest.fixture
def runs(monkeypatch):
    """What the adaptive pipeline was called with, call by call."""
    seen, original = [], AdaptiveDiffusionPipeline.__call__

    def called(self, prompt, **settings):
        seen.append((list(prompt), settings))
        return original(self, prompt, **settings)

    monkeypatch.setattr(AdaptiveDiffusionPipeline, "__call__", called)
    return seen


def adaptive(**options) -> torch.Tensor:
    pipeline = AdaptiveDiffusionPipeline(demo.load_estimator(), demo.load_student(), demo.load_teacher())
    fixed = {"num_inference_steps_student": 1, "student_guidance": 1.0, "teacher_guidance": 2.0, "k": 100}
    return pipeline(PROMPTS, seed=SEEDS, **fixed, **options).pixels


def test_the_student_is_the_pipelines_and_its_scores_are_the_estimators():
    result = models().draw("student", PROMPTS, SEEDS, 2)
    alone = demo.load_student()
    noise = [torch.Generator().manual_seed(seed) for seed in SEEDS]
    own = alone(PROMPTS, num_inference_steps=2, guidance_scale=1.0, generator=noise, output_type="pt").images
    assert torch.equal(result.pixels, own.movedim(1, -1))
    assert models().scores(result) == pytest.approx(demo.load_estimator().score(result.pixels, PROMPTS).numpy())
    assert result.evaluations == (2,) * 4


@pytest.mark.parametrize(("steps", "cfg"), [(3, 2.0), (2, 1.0)])
def test_ddim_is_diffusers_own_at_trailing_timesteps(steps, cfg):
    """Euler's steps: they end clean where 1000 is no multiple of the steps too, and begin 0.2 % quieter."""
    result = models().draw("ddim", PROMPTS, SEEDS, steps, cfg)
    scheduler = DDIMScheduler.from_pretrained(DEMO_MODELS, subfolder="scheduler")
    assert scheduler.config.timestep_spacing == "trailing"
    parts = {**demo.load_teacher().components, "scheduler": scheduler}
    alone = StableDiffusionPipeline(**parts, requires_safety_checker=False)
    alone.set_progress_bar_config(disable=True)
    noise = [torch.Generator().manual_seed(seed) for seed in SEEDS]
    own = alone(PROMPTS, num_inference_steps=steps, guidance_scale=cfg, generator=noise, output_type="pt").images
    assert (result.pixels - own.movedim(1, -1)).abs().mean() <= 1e-3
    assert result.evaluations == (steps * (2 if cfg > 1 else 1),) * 4


def test_unipc_is_what_the_adaptive_pipeline_redraws_with():
    redrawn = adaptive(num_inference_steps_teacher=3, strategy="regenerate")
    assert torch.equal(models().draw("unipc", PROMPTS, SEEDS, 3, 2.0).pixels, redrawn)


@pytest.mark.parametrize("rollback", [None, 0.4])
def test_refining_is_the_adaptive_pipelines_in_the_nodes_scale(rollback):
    sigma = rollback or TEACHER["rollback"]
    own = adaptive(num_inference_steps_teacher=3, sigma=sigma, rollback_scale=TEACHER["rollback_scale"])
    result = models().draw("refine", PROMPTS, SEEDS, 3, 2.0, rollback)
    assert torch.equal(result.pixels, own)
    assert models().scores(result) == pytest.approx(demo.load_estimator().score(own, PROMPTS).numpy())
    assert exact(result).tolist() == ExactJudge().score(own, PROMPTS).tolist()
    assert result.evaluations == (1 + 6,) * 4


@pytest.mark.parametrize("way", [STUDENT, Way("ddim", 2, 2.0), Way("unipc", 2), Way("refine", 2, 2.0)])
def test_the_quality_benchmark_draws_through_the_adaptive_pipeline(runs, way):
    scenes = drawing.scenes()[-3:]
    drawn = drawing._batch(way, list(zip(scenes, SEEDS, strict=False)), way == STUDENT)
    assert [prompts for prompts, _ in runs] == [[scene.caption for scene in scenes]]
    assert [settings["seed"] for _, settings in runs] == [SEEDS[:3]]
    assert len(drawn.exact) == 3 and len(drawn.scores) == (3 if way == STUDENT else 0)


def test_evaluations_other_than_a_ways_end_the_benchmark(monkeypatch):
    monkeypatch.setattr(Way, "evaluations", property(lambda self: 3))
    with pytest.raises(AssertionError, match=r"took \[1.0\] evaluations an image"):
        drawing._batch(STUDENT, [(drawing.scenes()[0], 1)], False)


def test_the_evaluation_and_the_table_draw_through_it_too(runs, monkeypatch):
    for name, steps in (("TEACHER_STEPS", (2,)), ("STUDENT_STEPS", (1,)), ("SHARES", (0, 100))):
        monkeypatch.setattr(evaluate, name, steps)
    said = evaluate.evaluate(DEMO_MODELS, 12, "development")
    assert [len(prompts) for prompts, _ in runs] == [12] * 5
    assert said.count("\n| 100 | ") == 2 and f"| {1 + 2 * TEACHER['steps']:.1f} |" in said
    made = table.table(DEMO_MODELS, 3)
    assert sorted(made.scores) == sorted(
        models().draw("student", runs[-1][0], runs[-1][1]["seed"], 1).decision.scores.values
    )


def test_rated_samples_are_its_images_as_bytes(tmp_path, runs):
    pictures = ratings.samples(ratings.Source("student", 1, 1.0, 3), DEMO_MODELS, 7, tmp_path)
    [(prompts, settings)] = runs
    pixels = models().draw("student", prompts, settings["seed"], 1).pixels
    assert torch.equal(pictures.images, (pixels * 255).round().byte().movedim(-1, 1))
    assert pictures.right.tolist() == ExactJudge().score(pixels, prompts).tolist()


def test_the_search_benchmarks_images_are_drawn_once_and_only_where_they_fail(tmp_path, runs, monkeypatch):
    monkeypatch.setattr(demo_images, "PROMPTS", 6)
    monkeypatch.setattr(demo_images, "NOISES", 1)
    images = demo_images.DemoImages("development", tmp_path)
    first, second = images.candidate(0), images.candidate(1)
    failing = first.scores < images.table.threshold(demo_images.HARDEST)
    assert failing.any() and not failing.all()
    assert (numpy.isnan(second.scores) == ~failing).all() and (numpy.isnan(second.right) == ~failing).all()
    rows = numpy.flatnonzero(failing)
    right = images.refined(rows, numpy.ones_like(rows), 0.5)
    assert [len(prompts) for prompts, _ in runs] == [6, len(rows), len(rows)]
    assert runs[-1][1]["seed"] == [seeds_for(6, demo_images.SEED + 1, "development")[i] for i in rows]
    assert (runs[-1][1]["sigma"], runs[-1][1]["rollback_scale"]) == (0.5, TEACHER["rollback_scale"])
    again = demo_images.DemoImages("development", tmp_path)
    assert (again.candidate(1).scores[rows] == second.scores[rows]).all()
    assert (again.refined(rows, numpy.ones_like(rows), 0.5) == right).all() and len(runs) == 3


def test_training_and_benchmarks_have_no_sampler_of_their_own():
    files = [path for folder in ("training", "benchmarks") for path in (PACK / folder).glob("*.py")]
    own = r"sample_unipc|rollback_sigmas|lcm_timesteps|diffusion\.unipc"
    assert len(files) > 40 and not [path.name for path in files if re.search(own, path.read_text("utf-8"))]


def test_a_teachers_other_form_is_as_quiet_as_it_is(capfd):
    capfd.readouterr()
    in_mode(models().pipelines["refine"].teacher, takes_image=False)(PROMPTS[0], num_inference_steps=1)
    assert "it/s" not in capfd.readouterr().err


def test_the_demo_models_of_another_folder_are_read_from_there(tmp_path):
    for load in (demo.settings, demo.load_student, demo.load_teacher, demo.load_estimator):
        with pytest.raises(FileNotFoundError, match="the demo models lack"):
            load(tmp_path)
    assert tuple(models().pipelines) == sampling.DRAWERS
