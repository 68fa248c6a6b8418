"""Whole losses on a tiny teacher, against diffusers' schedulers and pipelines stepped by hand with the same noise."""

import pytest
import torch
from diffusers import DDIMScheduler, LatentConsistencyModelPipeline, LCMScheduler

from adaptive_diffusion.distillation import building, recipe
from adaptive_diffusion.distillation.layouts import layout_of
from adaptive_diffusion.distillation.recipe import Recipe
from tests.pure import teachers, tiny

SEED, COUNT = 3, 4
GUIDANCE = (1.5, 4.0)
LOW, HIGH = GUIDANCE
KINDS = ("epsilon", "v_prediction", "sample")


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


class Case:
    """A method on a tiny teacher of this kind, and what it is given."""

    def __init__(self, method: str, kind: str, **settings):
        pipeline = teachers.stable_diffusion(prediction_type=kind, set_alpha_to_one=False)
        pipeline.set_progress_bar_config(disable=True)
        self.layout = layout_of(pipeline, (32, 32))
        self.teacher = building.teacher_of(self.layout)
        asked = Recipe(method, GUIDANCE, (32, 32), 0, rank=2, **settings)
        self.objective = building.objective_of(asked, self.teacher, None)
        self.condition = self.layout.encode(tiny.PROMPTS[:1] * COUNT)
        self.latents = torch.randn(COUNT, 4, 16, 16, generator=torch.Generator().manual_seed(1))
        self.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
        self.scheduler.set_timesteps(50)
        self.unet, self.blank = pipeline.unet, self.layout.blank()["encoder_hidden_states"]

    @property
    def loss(self) -> float:
        torch.manual_seed(SEED)
        [(_, loss)] = self.objective.losses(self.latents, self.condition, 0.9)
        return loss.item()

    @torch.no_grad()
    def guided(self, x: torch.Tensor, time: int, scale: float) -> torch.Tensor:
        """The teacher's own prediction of one x, guided as diffusers' pipelines guide."""
        text = self.condition["encoder_hidden_states"][:1]
        without, with_text = (self.unet(x, time, states).sample for states in (self.blank, text))
        return without + scale * (with_text - without)


def named(case: Case, network, x: torch.Tensor, time: int, embedding: torch.Tensor | None) -> torch.Tensor:
    """f(x, t) by LCMScheduler's scalings, of what DDIM takes for the clean image."""
    text = case.condition["encoder_hidden_states"][:1]
    prediction = network(x, time, text, timestep_cond=embedding).sample
    clean = case.scheduler.step(prediction, time, x).pred_original_sample
    skip, out = LCMScheduler().get_scalings_for_boundary_condition_discrete(time)
    return skip * x + out * clean


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["lcm", "lcm-lora"])
def test_latent_consistency_is_a_ddim_step_of_the_guided_teacher(method, kind):
    case = Case(method, kind)
    if method == "lcm":
        torch.nn.init.normal_(case.objective.learners["student"].time_embedding.cond_proj.weight, std=0.1)
    found = case.loss
    torch.manual_seed(SEED)
    times = (torch.randint(50, (COUNT,)) * 20 + 19).tolist()
    scales = (LOW + (HIGH - LOW) * torch.rand(COUNT)).tolist()
    noise, errors = torch.randn(case.latents.shape), []
    student = case.objective.learners["student"]
    averaged = case.objective.averaged.network if method == "lcm" else student
    for row, (time, scale) in enumerate(zip(times, scales, strict=True)):
        x = case.scheduler.add_noise(case.latents[row : row + 1], noise[row : row + 1], torch.tensor([time]))
        x = noise[row : row + 1] if time == 999 else x
        with torch.no_grad(), case.teacher.alone():
            guided = case.guided(x, time, scale)
        below = case.scheduler.step(guided, time, x).prev_sample
        embedding = None
        if method == "lcm":
            embed = LatentConsistencyModelPipeline.get_guidance_scale_embedding
            embedding = embed(None, torch.tensor([scale - 1]), embedding_dim=256)
        with torch.no_grad():
            target = named(case, averaged, below, max(time - 20, 0), embedding)
            errors.append((named(case, student, x, time, embedding) - target).double())
    huber = ((torch.cat(errors) ** 2 + 0.01**2).sqrt() - 0.01).mean()
    assert found == pytest.approx(huber.item(), rel=2e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_score_distillation_noises_the_students_image_and_asks_the_guided_teacher(kind):
    case = Case("add", kind)
    found = case.loss
    torch.manual_seed(SEED)
    times = torch.tensor([999, 759, 499, 259])[torch.randint(4, (COUNT,))].tolist()
    noise = torch.randn(case.latents.shape)
    later = torch.randint(20, 981, (COUNT,)).tolist()
    scales = (LOW + (HIGH - LOW) * torch.rand(COUNT)).tolist()
    again, student, losses = torch.randn(case.latents.shape), case.objective.learners["student"], []
    text = case.condition["encoder_hidden_states"][:1]
    for row in range(COUNT):
        one = slice(row, row + 1)
        x = case.scheduler.add_noise(case.latents[one], noise[one], torch.tensor([times[row]]))
        x = noise[one] if times[row] == 999 else x
        with torch.no_grad():
            drawn = case.scheduler.step(student(x, times[row], text).sample, times[row], x).pred_original_sample
        x = case.scheduler.add_noise(drawn, again[one], torch.tensor([later[row]]))
        guided = case.guided(x, later[row], scales[row])
        teachers_own = case.scheduler.step(guided, later[row], x).pred_original_sample
        alpha = case.scheduler.alphas_cumprod[later[row]].double().sqrt()
        losses.append(alpha * (drawn - teachers_own).double().square().mean())
    assert found == pytest.approx(2.5 * torch.stack(losses).mean().item(), rel=2e-3)


def test_a_conversion_learns_diffusers_velocity_of_the_data_with_min_snr_weights():
    case = Case(recipe.CONVERT, "epsilon", prediction="v_prediction")
    found = case.loss
    torch.manual_seed(SEED)
    times, noise = torch.randint(1000, (COUNT,)), torch.randn(case.latents.shape)
    blank = torch.rand(COUNT) < 0.1
    network, losses = case.objective.learners["student"], []
    for row in range(COUNT):
        one = slice(row, row + 1)
        x = case.scheduler.add_noise(case.latents[one], noise[one], times[one])
        velocity = case.scheduler.get_velocity(case.latents[one], noise[one], times[one])
        text = case.blank if blank[row] else case.condition["encoder_hidden_states"][one]
        with torch.no_grad():
            prediction = network(x, times[one], text).sample
        alphabar = case.scheduler.alphas_cumprod[times[row]].double()
        snr = alphabar / (1 - alphabar)
        weight = snr.clamp(1, 5) / (snr + 1)
        losses.append(weight * (prediction - velocity).double().square().mean())
    assert found == pytest.approx(torch.stack(losses).mean().item(), rel=2e-3)
