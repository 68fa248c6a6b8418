"""Every scheduler of the installed diffusers that the demo teacher can be drawn with: reproducible, and counted."""

import inspect
import warnings
from contextlib import nullcontext

import diffusers
import pytest
import torch
from diffusers import EulerAncestralDiscreteScheduler, SchedulerMixin

from adaptive_diffusion.__main__ import main
from adaptive_diffusion.standalone import demo, models, noise
from adaptive_diffusion.standalone.pipeline import AdaptiveDiffusionPipeline
from tests.pure.tiny import new_flux_teacher, new_sd3_teacher

torch.set_num_threads(1)
PROMPTS = ["a red circle on sky", "a blue cross on sand", "a green square on white", "a yellow triangle on black"]
SEEDS = [11, 12, 13, 14]
ASKED, IMAGES = 4, 4
SDE = {"algorithm_type": "sde-dpmsolver++"}
STOCHASTIC = {
    "DPMSolverMultistepScheduler": SDE | {"final_sigmas_type": "zero"},
    "DPMSolverSinglestepScheduler": SDE | {"final_sigmas_type": "zero"},
    "EDMDPMSolverMultistepScheduler": SDE,
}
RUNS_MORE = {"HeunDiscreteScheduler", "KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler"}
RUNS_MORE |= {"PNDMScheduler", "DPMSolverSDEScheduler"}


class Indifferent:
    name, dtype, uses_prompt = "indifferent", "float32", True

    def score(self, images, prompts):
        return torch.zeros(len(images))


def schedulers():
    """All that can be made from the demo teacher's own settings, and some that draw noise where they are told to."""
    config = dict(demo.load_teacher().scheduler.config)
    for name in sorted(name for name in dir(diffusers) if name.endswith("Scheduler")):
        kind = getattr(diffusers, name)
        if inspect.isclass(kind) and issubclass(kind, SchedulerMixin):
            for options in ({}, *([STOCHASTIC[name]] if name in STOCHASTIC else [])):
                try:
                    yield kind.from_config(config, **options)
                except (TypeError, ValueError):
                    continue


def label(scheduler) -> str:
    return type(scheduler).__name__ + (" SDE" if "sde" in str(scheduler.config.get("algorithm_type")) else "")


@pytest.fixture(scope="module")
def parts():
    return demo.load_student(), demo.load_teacher()


def drawn(parts, strategy, rows):
    """The teacher's images of these rows, all in one batch, and what the pipeline tells of them."""
    pipeline = AdaptiveDiffusionPipeline(Indifferent(), *parts)
    options = {"num_inference_steps_student": 1, "num_inference_steps_teacher": ASKED, "student_guidance": 1.0}
    options |= {"teacher_guidance": 3.0, "sigma": 0.6, "k": 100, "strategy": strategy}
    return pipeline([PROMPTS[row] for row in rows], seed=[SEEDS[row] for row in rows], **options)


def fits(parts, scheduler, strategy) -> bool:
    parts[1].scheduler = scheduler
    try:
        return bool(drawn(parts, strategy, [0]).pixels.isfinite().all())
    except Exception:  # a scheduler of another kind of model, or that cannot start at an image, fails in its own way
        return False


@pytest.fixture(scope="module")
def fitting(parts):
    ways = [(scheduler, strategy) for scheduler in schedulers() for strategy in ("refine", "regenerate")]
    return {(label(scheduler), strategy): scheduler for scheduler, strategy in ways if fits(parts, scheduler, strategy)}


EVERY = sorted({label(scheduler) for scheduler in schedulers()})


def test_many_schedulers_fit(fitting):
    names = {name for name, _ in fitting}
    assert len(names) >= 25
    assert {*RUNS_MORE, "LCMScheduler", "TCDScheduler", "DPMSolverMultistepScheduler SDE"} <= names


@pytest.mark.parametrize("strategy", ["refine", "regenerate"])
@pytest.mark.parametrize("name", EVERY)
def test_an_image_is_the_same_alone_among_others_and_again_and_what_it_took_is_told(fitting, parts, name, strategy):
    if (name, strategy) not in fitting:
        pytest.skip("made for another kind of model")
    parts[1].scheduler = fitting[name, strategy]
    assert noise.steps_apart(parts[1].scheduler)
    rows = []
    hook = parts[1].unet.register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        whole = drawn(parts, strategy, [2, 0, 3, 1])
    hook.remove()
    alone, twice = drawn(parts, strategy, [1]).pixels, drawn(parts, strategy, [1, 1, 0]).pixels
    for other in (alone[0], twice[0], twice[1]):
        assert (other - whole.pixels[3]).abs().max() <= 1e-4
    assert (twice[2] - whole.pixels[1]).abs().max() <= 1e-4
    ran = sum(rows) // (2 * IMAGES)
    assert whole.steps == (1 + ran,) * IMAGES
    assert whole.evaluations == (1 + 2 * ran,) * IMAGES and sum(rows) == 2 * ran * IMAGES
    told = f"the teacher's {name.split()[0]} ran {ran} steps where {ASKED} were asked for"
    assert (told in [str(each.message) for each in warned]) == (ran != ASKED)
    assert ran == ASKED or name.split()[0] in RUNS_MORE


class Careless(EulerAncestralDiscreteScheduler):
    """Takes its noise from torch's own generator."""

    def step(self, model_output, timestep, sample, generator=None, return_dict=True):
        return super().step(model_output, timestep, sample, None, return_dict)


class Peeking(EulerAncestralDiscreteScheduler):
    """Takes every image's noise from the first one's generator."""

    def step(self, model_output, timestep, sample, generator=None, return_dict=True):
        return super().step(model_output, timestep, sample, generator[0], return_dict)


@pytest.mark.parametrize("kind", [Careless, Peeking])
@pytest.mark.parametrize(
    ("command", "role"), [("generate", "student"), ("generate", "teacher"), ("calibrate", "student")]
)
def test_a_run_that_could_not_go_on_with_the_same_images_is_refused(kind, command, role, monkeypatch, tmp_path, capsys):
    load = getattr(models, f"load_{role}")

    def loading(*named):
        pipeline = load(*named)
        pipeline.scheduler = kind.from_config(pipeline.scheduler.config)
        return pipeline

    monkeypatch.setattr(models, f"load_{role}", loading)
    (tmp_path / "prompts.txt").write_text("\n".join(PROMPTS))
    out = "run" if command == "generate" else "own.json"
    given = [command, "--prompts", str(tmp_path / "prompts.txt"), "--out", str(tmp_path / out)]
    with pytest.raises(SystemExit, match="^2$"):
        main([*given, *(["--k=100"] if command == "generate" else [])])
    said = capsys.readouterr().err
    assert said.startswith(
        f"error: the {role}'s {kind.__name__} draws noise that no image's seed decides, so that a run"
    )
    assert said.count("\n") == 1 and not list(tmp_path.glob("run/*.png")) and not (tmp_path / "own.json").exists()


def test_without_a_tree_for_each_image_brownian_noise_is_found_out(monkeypatch):
    scheduler = diffusers.DPMSolverSDEScheduler()
    assert noise.steps_apart(scheduler)
    monkeypatch.setattr(noise, "own_noise", lambda scheduler, seeds: nullcontext())
    assert not noise.steps_apart(scheduler)


def test_what_fits_can_be_stepped_without_its_network(fitting):
    """Otherwise it would be taken at its word."""
    for scheduler in fitting.values():
        assert noise._stepped(scheduler, (0, 1)).isfinite().all(), label(scheduler)


@pytest.mark.parametrize("new", [new_sd3_teacher, new_flux_teacher])
def test_schedulers_of_flow_models_are_looked_at_too(new, monkeypatch):
    scheduler = new().scheduler
    assert noise.steps_apart(scheduler)
    monkeypatch.setattr(type(scheduler), "step", lambda *_, **__: pytest.fail("stepped"))
    with pytest.raises(BaseException, match="stepped"):
        noise.steps_apart(scheduler)


def test_the_brownian_noise_is_the_images_own_seeds_and_the_scheduler_stays_as_it_was(parts):
    scheduler = diffusers.DPMSolverSDEScheduler.from_config(parts[1].scheduler.config, noise_sampler_seed=3)
    with noise.own_noise(scheduler, [1, 2]):
        assert len(scheduler.noise_sampler_seed) == 2 and scheduler.noise_sampler is None
    assert scheduler.noise_sampler_seed == 3


@pytest.mark.parametrize("kind", [diffusers.DDIMInverseScheduler, diffusers.IPNDMScheduler])
def test_a_scheduler_that_cannot_add_noise_is_refused_for_refining(parts, monkeypatch, kind):
    monkeypatch.setattr(parts[1], "scheduler", kind.from_config(parts[1].scheduler.config))
    with pytest.raises(ValueError, match=f"the teacher's {kind.__name__} cannot add noise to an image.*'regenerate'"):
        drawn(parts, "refine", [0])
