"""What is learned, against what others wrote: diffusers' schedulers and training helpers, and plain formulas."""

import numpy
import pytest
import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler, LatentConsistencyModelPipeline, LCMScheduler
from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr
from diffusers.training_utils import compute_snr

from adaptive_diffusion.diffusion.guidance_embedding import guidance_embedding as shipped_embedding
from adaptive_diffusion.distillation import adversary, consistency, conversion, score_distillation
from adaptive_diffusion.distillation.levels import Levels
from adaptive_diffusion.distillation.prediction import clean_and_noise, error_of_clean, prediction_of
from tests.pure.teachers import EPSILON

KINDS = ("epsilon", "v_prediction", "sample")
TIMESTEPS = (19, 259, 499, 759, 979)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def scheduler(kind: str, **more) -> DDIMScheduler:
    made = DDIMScheduler(**EPSILON, prediction_type=kind, timestep_spacing="trailing", **more)
    made.set_timesteps(50)
    return made


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("time", TIMESTEPS)
def test_clean_and_the_solvers_step_are_those_of_diffusers_ddim(kind, time):
    theirs = scheduler(kind, set_alpha_to_one=False)
    levels = Levels.of(theirs)
    x, prediction = random(1, 4, 8, 8), random(1, 4, 8, 8, seed=1)
    timesteps = torch.tensor([time])
    clean, noise = clean_and_noise(kind, prediction, x, *levels.at(timesteps))
    step = theirs.step(prediction, time, x)
    assert torch.allclose(clean, step.pred_original_sample, atol=1e-4, rtol=1e-5)
    below = (timesteps - consistency.SKIP).clamp(min=0)
    assert torch.allclose(consistency.solver_step(levels, clean, noise, below), step.prev_sample, atol=1e-4, rtol=1e-5)


def test_v_is_diffusers_velocity_and_every_kind_leads_back():
    levels = Levels.of(scheduler("v_prediction"))
    clean, noise, timesteps = random(5, 4, 8, 8), random(5, 4, 8, 8, seed=1), torch.tensor(TIMESTEPS)
    a, s = levels.at(timesteps)
    velocity = scheduler("v_prediction").get_velocity(clean, noise, timesteps)
    assert torch.allclose(prediction_of("v_prediction", clean, noise, a, s), velocity, atol=1e-6)
    for kind in (*KINDS, "flow_prediction"):
        signal, share = (a, s) if kind in KINDS else (1 - s, s)
        x = signal * clean + share * noise
        back = clean_and_noise(kind, prediction_of(kind, clean, noise, signal, share), x, signal, share)
        assert torch.allclose(back[0], clean, atol=1e-4)
        assert torch.allclose(back[1], noise, atol=1e-4)


def test_a_flow_models_levels_and_step_are_those_of_diffusers_euler():
    theirs = FlowMatchEulerDiscreteScheduler(shift=3.0)
    levels = Levels.of(theirs)
    assert torch.allclose(levels.told.flip(0), theirs.timesteps, atol=1e-3)
    x, v, timesteps = random(1, 4, 8, 8), random(1, 4, 8, 8, seed=1), torch.tensor([999])
    clean, noise = clean_and_noise("flow_prediction", v, x, *levels.at(timesteps))
    moved = x + (theirs.sigmas[20] - theirs.sigmas[0]) * v
    assert torch.allclose(consistency.solver_step(levels, clean, noise, timesteps - 20), moved, atol=1e-5)


def test_the_boundary_scalings_are_those_of_the_lcm_scheduler():
    levels = Levels.of(scheduler("epsilon"))
    for time in (0, 1, 5, 19, 999):
        found = consistency.boundary_scalings(levels, torch.tensor([time]))
        expected = LCMScheduler().get_scalings_for_boundary_condition_discrete(time)
        assert [one.item() for one in found] == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("scale", [1.0, 1.5, 3.0, 8.0])
def test_the_guidance_embedding_is_what_a_guided_unet_is_later_given(scale):
    found = consistency.guidance_embedding(torch.tensor([scale]))[0]
    theirs = LatentConsistencyModelPipeline.get_guidance_scale_embedding(None, torch.tensor([scale - 1]), 256)[0]
    assert torch.equal(found, theirs)
    assert torch.allclose(found, shipped_embedding(scale, 256), atol=2e-4)


def test_the_pseudo_huber_distance():
    error = random(3, 4, 8, 8).double()
    expected = numpy.mean(numpy.sqrt(error.numpy() ** 2 + 0.01**2) - 0.01)
    assert consistency.huber(error).item() == pytest.approx(expected, rel=1e-12)


def test_score_distillation_weighs_by_the_signal():
    theirs = scheduler("epsilon")
    student, teacher, timesteps = random(5, 4, 8, 8), random(5, 4, 8, 8, seed=1), torch.tensor(TIMESTEPS)
    alpha = theirs.alphas_cumprod[list(TIMESTEPS)].sqrt().numpy()
    each = ((student - teacher) ** 2).numpy().reshape(5, -1).mean(1)
    found = score_distillation.distance(Levels.of(theirs), student, teacher, timesteps)
    assert found.item() == pytest.approx((alpha * each).mean(), rel=1e-5)


def test_the_adversarys_losses_are_the_plain_formulas():
    real, drawn = random(6, 9).double().numpy(), random(6, 9, seed=1).double().numpy()
    hinge = numpy.maximum(0, 1 - real).mean() + numpy.maximum(0, 1 + drawn).mean()
    found = adversary.heads_loss([torch.tensor(real)], [torch.tensor(drawn)])
    assert found.item() == pytest.approx(hinge, rel=1e-12)
    assert adversary.student_loss([torch.tensor(drawn)]).item() == pytest.approx(-drawn.mean(), rel=1e-12)


def test_r1_is_the_squared_length_of_the_gradient():
    """Of D = sum of a f + b f^2 / 2 the gradient is a + b f, known in closed form."""
    features = random(4, 5, 3).double().requires_grad_()
    a, b = random(3, seed=1).double(), random(3, seed=2).double()
    logits = (features * a + b * features.square() / 2).sum(-1)
    gradient = a.numpy() + b.numpy() * features.detach().numpy()
    expected = (gradient**2).reshape(4, -1).sum(1).mean()
    assert adversary.r1_penalty([logits], [features]).item() == pytest.approx(expected, rel=1e-12)


def test_zero_snr_levels_are_diffusers_rescaled_betas():
    plain = scheduler("v_prediction")
    levels = Levels.of(conversion.converted_scheduler(plain, "v_prediction", True))
    betas = rescale_zero_terminal_snr(plain.betas)
    assert torch.allclose(levels.signal.square(), torch.cumprod(1 - betas, 0), atol=1e-6)
    assert levels.signal[-1] == 0
    assert levels.noise[-1] == 1


@pytest.mark.parametrize("kind", KINDS)
def test_min_snr_is_diffusers_snr_between_one_and_gamma(kind):
    theirs = scheduler(kind)
    timesteps = torch.arange(0, 1000, 37)
    snr = compute_snr(theirs, timesteps)
    of_x0 = snr.clamp(max=5).clamp(min=1)
    per_prediction = {"epsilon": of_x0 / snr, "v_prediction": of_x0 / (snr + 1), "sample": of_x0}[kind]
    found = conversion.min_snr_weight(kind, *Levels.of(theirs).at(timesteps)).flatten()
    assert torch.allclose(found, per_prediction, rtol=1e-3)


def test_min_snr_is_neither_zero_nor_infinite_where_nothing_is_left_of_the_image():
    levels = Levels.of(scheduler("v_prediction", rescale_betas_zero_snr=True))
    weights = conversion.min_snr_weight("v_prediction", *levels.at(torch.arange(1000)))
    assert weights.isfinite().all()
    assert weights[-1].item() == pytest.approx(1.0)
    assert weights.min() > 0


def test_an_error_of_the_prediction_reaches_the_clean_image_by_its_factor():
    levels = Levels.of(scheduler("epsilon"))
    x, prediction, timesteps = random(5, 4, 8, 8), random(5, 4, 8, 8, seed=1), torch.tensor(TIMESTEPS)
    a, s = levels.at(timesteps)
    for kind in KINDS:
        one, other = (clean_and_noise(kind, prediction + by, x, a, s)[0] for by in (0.0, 1.0))
        assert torch.allclose((other - one).abs(), error_of_clean(kind, a, s).expand_as(x), rtol=1e-3, atol=1e-4)


def test_at_the_start_of_sampling_there_is_noise_alone():
    levels = Levels.of(scheduler("epsilon"))
    clean, noise, timesteps = random(2, 4, 8, 8), random(2, 4, 8, 8, seed=1), torch.tensor([998, 999])
    seen = levels.as_sampled(clean, noise, timesteps)
    assert torch.equal(seen[1], noise[1])
    assert not torch.allclose(seen[0], noise[0], atol=1e-2)
    assert not torch.allclose(levels.noised(clean, noise, timesteps)[1], noise[1], atol=1e-2)


def test_the_old_models_level_is_that_of_the_same_snr():
    old, new = Levels.of(scheduler("epsilon")), Levels.of(scheduler("v_prediction", rescale_betas_zero_snr=True))
    same = conversion.nearest_levels(old, new)
    known = same >= 0
    assert not known[-1]
    ratio = (old.noise / old.signal)[same[known]] / (new.noise / new.signal)[known]
    assert ratio.log().abs().max() < 0.15
    assert torch.equal(conversion.nearest_levels(old, old), torch.arange(1000))


@pytest.mark.parametrize(
    ("kind", "zero_snr", "sentence"),
    [
        ("epsilon", True, "at zero SNR the noise is all there is"),
        ("epsilon", False, "the model predicts epsilon on these noise levels already"),
        ("flow", False, "prediction is flow; choose one of epsilon, v_prediction, sample"),
    ],
)
def test_what_cannot_be_converted_is_refused(kind, zero_snr, sentence):
    with pytest.raises(ValueError, match=sentence):
        conversion.converted_scheduler(scheduler("epsilon"), kind, zero_snr)
