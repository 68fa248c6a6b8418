"""Refining from a rollback in any of the node's scales, against diffusers' own image-to-image."""

import functools

import diffusers
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DEISMultistepScheduler,
    DPMSolverMultistepScheduler,
    EDMEulerScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    HeunDiscreteScheduler,
    KDPM2DiscreteScheduler,
    LCMScheduler,
    LMSDiscreteScheduler,
    PNDMScheduler,
    SASolverScheduler,
    UniPCMultistepScheduler,
)

from adaptive_diffusion.diffusion.noise import derive_seed
from adaptive_diffusion.diffusion.rollback import SCALES
from adaptive_diffusion.standalone.entry import entered
from tests.pure.tiny import PROMPTS, QUICK, SIZE, adaptive, new_flux_teacher, new_sd3_teacher, new_teacher

torch.set_num_threads(1)
diffusers.utils.logging.set_verbosity_error()

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
CLOSE = {"atol": 1e-4, "rtol": 0.0}
START = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(9))
SEEDS = [5, 8]


def of_sdxl(kind, **options):
    return functools.partial(kind, **BETAS, **options)


def refined(teacher, steps: int, sigma: float, scale: str | None, guidance: float = 3.0) -> torch.Tensor:
    """The adaptive pipeline's images, all of which the teacher refined from START."""
    student = new_sd3_teacher()
    student.__class__ = type("Student", (type(student),), {"__call__": lambda self, prompt, **_: Images(START)})
    result = adaptive(1.0, 2.0, student=student, teacher=teacher)(
        PROMPTS[:2],
        num_inference_steps_student=1,
        num_inference_steps_teacher=steps,
        teacher_guidance=guidance,
        sigma=sigma,
        k=100,
        seed=SEEDS,
        rollback_scale=scale,
    )
    assert result.steps == (1 + steps, 1 + steps) or scale is None
    return result.pixels.movedim(-1, 1)


class Images:
    def __init__(self, images: torch.Tensor):
        self.images = images


@torch.no_grad()
def diffusers_own(teacher, guidance: float = 3.0, **options) -> torch.Tensor:
    """What diffusers' image-to-image itself makes of START."""
    generator = [torch.Generator().manual_seed(derive_seed(seed, "refine")) for seed in SEEDS]
    asked = {"prompt": PROMPTS[:2], "image": START, "generator": generator, "guidance_scale": guidance}
    return teacher(**asked, output_type="pt", **options).images


@pytest.fixture
def calls(monkeypatch):
    """The level and the timestep of every step of a scheduler."""
    seen: list[tuple[float, float]] = []
    for kind in (UniPCMultistepScheduler, EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler):

        def step(self, output, timestep, *arguments, own=kind.step, **options):
            result = own(self, output, timestep, *arguments, **options)
            seen.append((float(self.sigmas[self.step_index - 1]), float(timestep)))
            return result

        monkeypatch.setattr(kind, "step", step)
    return seen


@pytest.mark.parametrize(("steps", "sigma"), [(12, 0.7), (4, 0.3), (1, 0.5), (3, 0.9)])
@pytest.mark.parametrize("spacing", ["leading", "trailing"])
def test_without_a_scale_it_is_diffusers_own_image_to_image(steps, sigma, spacing):
    teacher = new_teacher(of_sdxl(UniPCMultistepScheduler, timestep_spacing=spacing))
    own = diffusers_own(teacher, num_inference_steps=int(steps / sigma + 1), strength=sigma)
    assert torch.equal(refined(teacher, steps, sigma, None), own)


@pytest.mark.parametrize("kind", [UniPCMultistepScheduler, DPMSolverMultistepScheduler])
@pytest.mark.parametrize(("steps", "total"), [(6, 9), (1, 3), (2, 3), (20, 27), (8, 9)])
def test_schedule_is_diffusers_own_entry_where_that_has_the_same_timesteps(kind, steps, total):
    """Spaced by linspace, totals that divide 999 have whole timesteps, and strength then cuts at the rollback."""
    teacher = new_teacher(of_sdxl(kind, timestep_spacing="linspace"))
    own = diffusers_own(teacher, num_inference_steps=total, strength=(steps + 0.5) / total)
    ours = refined(teacher, steps, steps / total, "schedule")
    assert torch.allclose(ours, own, **CLOSE)
    assert (ours - START).abs().max() > 0.01


@pytest.mark.parametrize(("steps", "sigma"), [(12, 0.7), (4, 0.3), (1, 0.5), (3, 0.9)])
def test_official_is_diffusers_own_entry_with_leading_timesteps(steps, sigma):
    teacher = new_teacher(of_sdxl(UniPCMultistepScheduler, timestep_spacing="leading"))
    own = diffusers_own(teacher, num_inference_steps=int(steps / sigma + 1), strength=sigma)
    assert torch.allclose(refined(teacher, steps, sigma, "official"), own, **CLOSE)


@pytest.mark.parametrize(("steps", "sigma"), [(12, 0.7), (4, 0.3), (1, 0.5), (5, 1.0)])
def test_a_flow_models_schedule_is_what_diffusers_makes_of_those_fractions(calls, steps, sigma):
    teacher = new_sd3_teacher(shift=3.0)
    fractions = [sigma * (steps - i) / steps for i in range(steps)]
    own = diffusers_own(teacher, num_inference_steps=steps, sigmas=fractions, strength=1.0)
    expected = [3 * u / (1 + 2 * u) for u in fractions]
    assert [sigma for sigma, _ in calls] == pytest.approx(expected, abs=1e-6)
    calls.clear()
    assert torch.allclose(refined(teacher, steps, sigma, "schedule"), own, **CLOSE)
    assert [sigma for sigma, _ in calls] == pytest.approx(expected, abs=1e-6)
    assert [1000 * sigma for sigma, _ in calls] == pytest.approx([timestep for _, timestep in calls], rel=1e-6)


@pytest.mark.parametrize(("steps", "sigma"), [(6, 0.7), (1, 0.4)])
def test_time_that_shifts_with_the_images_size_is_entered_at_that_size(steps, sigma):
    teacher = new_flux_teacher()
    fractions = [sigma * (steps - i) / steps for i in range(steps)]
    own = diffusers_own(teacher, num_inference_steps=steps, sigmas=fractions, strength=1.0)
    assert torch.allclose(refined(teacher, steps, sigma, "schedule"), own, **CLOSE)


@pytest.mark.parametrize("teacher", [new_sd3_teacher, new_flux_teacher])
def test_pipelines_that_round_up_run_exactly_the_steps_with_a_scale(teacher):
    evaluated, teacher = [], teacher()
    teacher.transformer.register_forward_pre_hook(lambda *_: evaluated.append(1), with_kwargs=False)
    for scale, ran in ((None, 5), ("schedule", 4), ("variance", 4), ("model sigma", 4)):
        evaluated.clear()
        result = adaptive(1.0, 2.0, teacher=teacher)(
            PROMPTS[:2], k=100, sigma=0.7, teacher_guidance=1.0, rollback_scale=scale, num_inference_steps_teacher=4
        )
        assert (len(evaluated), result.steps) == (ran, (4 + ran, 4 + ran))


GOLDEN = {
    ("schedule", 1.0, 1): ([14.6146], [999]),
    ("schedule", 0.7, 1): ([3.3251], [699]),
    ("schedule", 0.3, 1): ([0.8319], [300]),
    ("variance", 0.7, 1): ([1.5275], [483]),
    ("model sigma", 2.5051, 1): ([2.5051], [625]),
    ("official", 0.7, 12): (
        [2.5017, 2.0762, 1.7365, 1.4601, 1.2311, 1.0376, 0.8710, 0.7247, 0.5933, 0.4719, 0.3552, 0.2332],
        [625, 573, 521, 469, 417, 365, 313, 261, 209, 157, 105, 53],
    ),
}


@pytest.mark.parametrize("kind", [UniPCMultistepScheduler, EulerDiscreteScheduler])
@pytest.mark.parametrize(("asked", "levels"), GOLDEN.items(), ids=lambda asked: str(asked[0]))
def test_the_levels_are_those_of_the_node(calls, kind, asked, levels):
    """Stable Diffusion's, as measured in ComfyUI."""
    scale, value, steps = asked
    refined(new_teacher(of_sdxl(kind, use_karras_sigmas=True)), steps, value, scale)
    sigmas, timesteps = zip(*calls, strict=True)
    assert list(sigmas) == pytest.approx(levels[0], abs=6e-5)
    assert list(timesteps) == levels[1]


ENTERED = [
    UniPCMultistepScheduler,
    functools.partial(UniPCMultistepScheduler, prediction_type="v_prediction", timestep_spacing="trailing"),
    DPMSolverMultistepScheduler,
    functools.partial(DPMSolverMultistepScheduler, final_sigmas_type="sigma_min", use_karras_sigmas=True),
    DEISMultistepScheduler,
    SASolverScheduler,
    EulerDiscreteScheduler,
    EulerAncestralDiscreteScheduler,
    LMSDiscreteScheduler,
]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", ENTERED, ids=lambda kind: getattr(kind, "func", kind).__name__)
def test_exactly_the_asked_steps_run_in_every_scale(kind, scale):
    evaluated, teacher = [], new_teacher(of_sdxl(kind))
    hook = teacher.unet.register_forward_pre_hook(lambda *_: evaluated.append(1))
    for steps, sigma in ((1, 0.5), (4, 0.3), (7, 0.95)):
        evaluated.clear()
        pixels = refined(teacher, steps, sigma, scale, guidance=1.0)
        assert len(evaluated) == steps
        assert pixels.isfinite().all()
    hook.remove()


REFUSED = [
    DDIMScheduler,
    DDPMScheduler,
    PNDMScheduler,
    LCMScheduler,
    HeunDiscreteScheduler,
    KDPM2DiscreteScheduler,
    functools.partial(EulerDiscreteScheduler, timestep_type="continuous", prediction_type="v_prediction"),
    functools.partial(UniPCMultistepScheduler, solver_p=DPMSolverMultistepScheduler()),
]


@pytest.mark.parametrize("kind", REFUSED, ids=lambda kind: getattr(kind, "func", kind).__name__)
def test_a_scheduler_that_cannot_be_entered_gets_one_sentence_and_stays_as_it_was(kind):
    teacher = new_teacher(of_sdxl(kind))
    name = type(teacher.scheduler).__name__
    with pytest.raises(ValueError, match=f"^the teacher's {name} cannot be entered .* 'schedule'; give it another"):
        refined(teacher, 4, 0.7, "schedule")
    assert refined(teacher, 4, 0.7, None).isfinite().all()


@pytest.mark.parametrize(
    ("scheduler", "problem"),
    [
        (EDMEulerScheduler(), "EDMEulerScheduler"),
        (FlowMatchHeunDiscreteScheduler(), "FlowMatchHeunDiscreteScheduler"),
        (FlowMatchEulerDiscreteScheduler(invert_sigmas=True), "FlowMatchEulerDiscreteScheduler"),
        (EulerDiscreteScheduler(**BETAS, final_sigmas_type="sigma_min"), "EulerDiscreteScheduler"),
    ],
)
def test_so_do_those_without_a_known_schedule_and_those_that_end_above_the_rollback(scheduler, problem):
    with (
        entered(scheduler, "model sigma", 0.02, 2),
        pytest.raises(ValueError, match=f"^the teacher's {problem} cannot be entered"),
    ):
        scheduler.set_timesteps(2)


def test_the_scheduler_is_its_own_again_afterwards_also_when_drawing_failed():
    teacher = new_teacher(of_sdxl(UniPCMultistepScheduler, timestep_spacing="leading"))
    before = diffusers_own(teacher, num_inference_steps=9, strength=0.5)
    refined(teacher, 3, 0.4, "schedule")
    with pytest.raises(RuntimeError, match="stopped"), entered(teacher.scheduler, "schedule", 0.4, 3):
        raise RuntimeError("stopped")
    assert "set_timesteps" not in vars(teacher.scheduler)
    assert torch.equal(before, diffusers_own(teacher, num_inference_steps=9, strength=0.5))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"rollback_scale": "strength"}, "no rollback scale 'strength'; choose one of schedule, variance, official,"),
        ({"rollback_scale": "schedule", "sigma": 0}, "rollback is 0; in scale 'schedule' choose a value above 0"),
        ({"rollback_scale": "variance", "sigma": 1.5}, "rollback is 1.5; in scale 'variance' choose .* at most 1$"),
        ({"rollback_scale": "model sigma", "sigma": float("nan")}, "sigma is nan; choose a finite number"),
    ],
)
def test_a_rollback_outside_its_scale_is_refused_before_anything_is_drawn(monkeypatch, options, complaint):
    monkeypatch.setattr(diffusers.StableDiffusionPipeline, "__call__", lambda *_, **__: pytest.fail("drew"))
    with pytest.raises(ValueError, match=complaint):
        adaptive(1.0, 2.0)(PROMPTS[:2], **{**QUICK, **options})


@pytest.mark.parametrize(
    ("teacher", "options", "complaint"),
    [
        (new_teacher, {"rollback_scale": "model sigma", "sigma": 500.0}, "'model sigma' choose .* at most 157.4"),
        (new_teacher, {"rollback_scale": "official", "sigma": 1.0}, "'official' needs a value between 0 and 1"),
        (new_sd3_teacher, {"rollback_scale": "official"}, "'official' is only for models with 1000 discrete timesteps"),
    ],
)
def test_what_only_the_teachers_schedule_tells_is_refused_too(teacher, options, complaint):
    with pytest.raises(ValueError, match=complaint):
        adaptive(1.0, 2.0, teacher=teacher())(PROMPTS[:2], **{**QUICK, **options})


def test_redrawing_is_not_entered():
    plain, scaled = (
        adaptive(1.0, 2.0, teacher=new_teacher(DDIMScheduler))(
            PROMPTS[:2], k=100, strategy="regenerate", rollback_scale=scale, **QUICK
        )
        for scale in (None, "schedule")
    )
    assert torch.equal(plain.pixels, scaled.pixels)
