"""Few-step students and text-to-image UniPC in ComfyUI against what diffusers' pipeline draws with the same weights."""

import json

import comfy.k_diffusion.sampling
import comfy.model_patcher
import comfy.sample
import comfy.supported_models
import comfy.utils
import pytest
import torch
from oracle import few_steps as tiny

from .conftest import nodes
from .tools import UNET, module

GOLDENS = json.loads(tiny.GOLDENS.read_text())
UNET_CONFIG = {
    **UNET,
    "model_channels": 64,
    "transformer_depth": [0, 1],
    "transformer_depth_output": [0, 0, 1, 1],
    "context_dim": tiny.WIDTH,
    "use_linear_in_transformer": True,
    "num_classes": "sequential",
    "adm_in_channels": 6 * 256 + tiny.WIDTH,
}
STUDENTS = {"lcm": ("lcm", "lcm"), "turbo": ("euler_ancestral", "trailing")}


@pytest.fixture(scope="module")
def model():
    settings = comfy.supported_models.SDXL(UNET_CONFIG)
    settings.set_inference_dtype(torch.float32, None)
    made = settings.get_model({}, "", device="cpu")
    names = comfy.utils.unet_to_diffusers(UNET_CONFIG)
    weights = {names[key]: tiny.loud(key, tuple(shape)) for key, shape in GOLDENS["shapes"].items()}
    made.diffusion_model.load_state_dict(weights)
    return comfy.model_patcher.CoreModelPatcher(made, torch.device("cpu"), torch.device("cpu"))


@pytest.fixture(autouse=True)
def same_noise(monkeypatch):
    noises = map(tiny.noise, range(1, 100))
    monkeypatch.setattr(comfy.sample, "prepare_noise", lambda *_: tiny.noise(0))
    sampling = comfy.k_diffusion.sampling
    monkeypatch.setattr(sampling, "default_noise_sampler", lambda *_, **__: lambda *_: next(noises))


def text(sign: str):
    tokens, pooled = tiny.text(sign)
    return [[tokens, {"pooled_output": pooled}]]


def difference(model, latent, golden) -> float:
    """The largest, in units of the golden latent's deviation."""
    expected = torch.tensor(golden).view(tiny.SHAPE)
    return ((model.model.process_latent_in(latent["samples"]) - expected).abs().max() / expected.std()).item()


@pytest.mark.parametrize("steps", tiny.STUDENT_STEPS)
@pytest.mark.parametrize("name", STUDENTS)
def test_a_student_draws_what_diffusers_pipeline_draws(model, name, steps):
    sampler, scheduler = STUDENTS[name]
    drawn = nodes()["AdaptiveStudentSample"].execute(
        model=model, positive=text("positive"), latent_image={"samples": torch.zeros(tiny.SHAPE)}, seed=1, steps=steps,
        cfg=1.0, sampler_name=sampler, scheduler=scheduler, denoise=1.0,
    )  # fmt: skip
    assert difference(model, drawn.args[0], GOLDENS[name][str(steps)]) <= 1e-4


@pytest.mark.parametrize("steps", tiny.TEACHER_STEPS)
def test_regenerating_draws_what_diffusers_pipeline_draws(model, steps):
    decide = module("adaptive_diffusion.gate.decision")
    links = {
        "decision": decide.decide(decide.QualityScores((0.0,)), 0.5),
        "latent": {"samples": torch.ones(tiny.SHAPE)},
        "model": model,
        "positive": text("positive"),
        "negative": text("negative"),
    }
    how = {"seed": 1, "steps": steps, "cfg": tiny.TEACHER_CFG, "sampler_name": "unipc_diffusers"}
    inputs = {**links, **how, "scheduler": "leading", "max_batch": 1}
    made = nodes()["AdaptiveTeacherRegenerate"].execute(**{name: [value] for name, value in inputs.items()})
    assert difference(model, made.args[0][0], GOLDENS["teacher"][str(steps)]) <= 1e-4
