"""The guidance of LCM UNets in ComfyUI against what diffusers answers with the same weights."""

import json
from pathlib import Path

import comfy.model_management
import comfy.model_patcher
import comfy.samplers
import comfy.supported_models
import comfy.utils
import folder_paths
import pytest
import torch
from oracle import guided_unet as tiny
from safetensors.torch import save_file

from .conftest import nodes
from .tools import module

GOLDENS = json.loads(tiny.GOLDENS.read_text())
UNET_CONFIG = {
    "image_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 32,
    "num_res_blocks": [1, 1],
    "channel_mult": [1, 2],
    "transformer_depth": [0, 1],
    "transformer_depth_output": [0, 0, 1, 1],
    "transformer_depth_middle": 1,
    "context_dim": tiny.WIDTH,
    "use_spatial_transformer": True,
    "use_linear_in_transformer": False,
    "legacy": False,
    "dtype": torch.float32,
}
NAME = "lcm.safetensors"


@pytest.fixture
def weights(tmp_path, monkeypatch) -> dict[str, torch.Tensor]:
    """The file of the UNet, in diffusers' keys, where ComfyUI looks for it."""
    state = {key: tiny.weight(key, tuple(shape)) for key, shape in GOLDENS["shapes"].items()}
    save_file(state, tmp_path / NAME)
    save_file({"conv_in.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "diffusion_models", ([str(tmp_path)], {".safetensors"}))
    yield state
    folder_paths.filename_list_cache.clear()


@pytest.fixture
def model(weights) -> comfy.model_patcher.ModelPatcher:
    """The UNet as ComfyUI loads it: without the guidance."""
    settings = comfy.supported_models.SD15(UNET_CONFIG)
    made = settings.get_model({}, "", device="cpu")
    names = comfy.utils.unet_to_diffusers(UNET_CONFIG)
    made.diffusion_model.load_state_dict({names[key]: value for key, value in weights.items() if key in names})
    return comfy.model_patcher.CoreModelPatcher(made, torch.device("cpu"), torch.device("cpu"))


def guided(model, guidance: float):
    return nodes()["AdaptiveLCMGuidance"].execute(model=model, unet_name=NAME, guidance=guidance).args[0]


def forward(model) -> torch.Tensor:
    comfy.model_management.load_models_gpu([model])
    timestep = torch.full((tiny.SHAPE[0],), float(tiny.TIMESTEP))
    return model.model.diffusion_model(tiny.step_noise(0), timestep, context=tiny.states())


def golden(kind: str, guidance: float) -> torch.Tensor:
    return torch.tensor(GOLDENS[kind][f"{guidance:g}"]).view(tiny.SHAPE)


@pytest.mark.parametrize("guidance", tiny.GUIDANCE)
def test_one_evaluation_is_that_of_diffusers(model, guidance):
    assert (forward(guided(model, guidance)) - golden("forward", guidance)).abs().max() <= 1e-5
    assert (forward(model) - golden("forward", guidance)).abs().max() > 1e-3


@pytest.mark.parametrize("guidance", tiny.GUIDANCE)
def test_four_steps_are_those_of_diffusers(model, guidance):
    schedule = module("host.sampling.schedules")
    ours = guided(model, guidance)
    sigmas = schedule.student_sigmas(ours, "lcm", tiny.STEPS, "lcm")
    noises = map(tiny.step_noise, range(1, tiny.STEPS))
    sampler = comfy.samplers.ksampler("lcm", {"noise_sampler": lambda *_: next(noises)})
    positive = [[tiny.states()[:1], {}]]
    latent = torch.zeros(tiny.SHAPE)
    made = comfy.sample.sample_custom(
        ours, tiny.step_noise(0), 1.0, sampler, sigmas, positive, positive, latent, disable_pbar=True
    )
    expected = golden("sampled", guidance)
    assert (ours.model.process_latent_in(made) - expected).abs().max() <= 1e-4 * expected.std()


def test_two_guidances_do_not_leak_into_each_other_or_into_the_model(model):
    plain = forward(model)
    before = {key: value.clone() for key, value in model.model.state_dict().items()}
    low, high = guided(model, 1.0), guided(model, 8.0)
    for _ in range(2):
        assert (forward(low) - golden("forward", 1.0)).abs().max() <= 1e-5
        assert (forward(high) - golden("forward", 8.0)).abs().max() <= 1e-5
    assert torch.equal(forward(model), plain)
    comfy.model_management.unload_all_models()
    assert all(torch.equal(before[key], value) for key, value in model.model.state_dict().items())


def test_a_lora_works_on_top(model):
    lora = {"diffusion_model.time_embed.0.bias": (torch.full((128,), 0.25),)}
    alone, both = model.clone(), guided(model, 8.0)
    alone.add_patches(lora)
    both.add_patches(lora)
    bias = module("adaptive_diffusion.diffusion.guidance_embedding").guidance_bias(
        Path(folder_paths.get_full_path("diffusion_models", NAME)), 8.0
    )
    expected = model.clone()
    expected.add_patches({"diffusion_model.time_embed.0.bias": (bias + 0.25,)})
    assert torch.allclose(forward(both), forward(expected), atol=1e-6)
    assert (forward(both) - forward(alone)).abs().max() > 1e-3


def test_only_unets_with_a_guidance_embedding_are_offered(weights):
    assert module("host.files.unets").unet_choices() == [NAME]


def test_what_cannot_be_guided_is_refused(model):
    with pytest.raises(ValueError, match="LCM Guidance: the model has guidance 8 already; link it from before"):
        guided(guided(model, 8.0), 4.0)
    node = nodes()["AdaptiveLCMGuidance"]
    for name in ("../lcm.safetensors", "missing.safetensors"):
        with pytest.raises(ValueError, match=f"LCM Guidance: there is no file '{name}' in models/diffusion_models"):
            node.execute(model=model, unet_name=name, guidance=8.0)
    with pytest.raises(ValueError, match="LCM Guidance: 'other.safetensors' has no guidance embedding"):
        node.execute(model=model, unet_name="other.safetensors", guidance=8.0)
