"""Latents of one frame (B, C, 1, H, W), as Qwen-Image and Wan have them, all the way through the graph."""

import comfy.latent_formats
import comfy.model_base
import comfy.model_patcher
import comfy.supported_models_base
import pytest
import torch
from graphs import changed, keep, node

BATCH = 4
SHAPE = (BATCH, 16, 1, 8, 6)


class FrameNet(torch.nn.Module):
    """A flow model that takes frames: linear in its input and its conditioning."""

    def __init__(self, dtype=torch.float32, **_):
        super().__init__()
        self.dtype = dtype
        self.scale = torch.nn.Parameter(torch.tensor(0.3))

    def forward(self, x, timesteps, context=None, **_):
        assert x.ndim == 5
        return self.scale * x + context.mean((1, 2)).reshape(-1, 1, 1, 1, 1)


class FrameConfig(comfy.supported_models_base.BASE):
    latent_format = comfy.latent_formats.Wan21
    sampling_settings = {"shift": 3.0}
    unet_config: dict = {}


def frame_model():
    config = FrameConfig({})
    config.set_inference_dtype(torch.float32, None)
    flow = comfy.model_base.ModelType.FLOW
    model = comfy.model_base.BaseModel(config, model_type=flow, device="cpu", unet_model=FrameNet)
    cpu = torch.device("cpu")
    return comfy.model_patcher.CoreModelPatcher(model.eval(), cpu, cpu)


@pytest.fixture
def graph(comfy_app):
    generator = torch.Generator().manual_seed(1)
    comfy_app.give["model"] = frame_model()
    comfy_app.give["text"] = [[torch.randn(BATCH, 5, 32, generator=generator), {}]]
    comfy_app.give["latent"] = {"samples": torch.randn(SHAPE, generator=generator)}
    common = {
        "model": ["model", 0],
        "positive": ["text", 0],
        "negative": ["text", 0],
        "seed": 3,
        "steps": 3,
        "cfg": 2.0,
    }
    parts = {name: node("TestGive", name=name) for name in ("model", "text", "latent")}
    parts["scores"] = node("TestNumbers", text="1 2 3 4")
    parts["gate"] = node("AdaptiveThresholdGate", scores=["scores", 0], table="this run", k=50.0, reject_indices="1 3")
    parts["teacher"] = node(
        "AdaptiveTeacherRefine", **common, decision=["gate", 0], latent=["latent", 0], sampler_name="unipc_diffusers",
        scheduler="uniform", rollback=0.7, rollback_scale="schedule", max_batch=16,
    )  # fmt: skip
    parts["merge"] = node(
        "AdaptiveMerge", decision=["gate", 0], student=["latent", 0], improved=["teacher", 0], size="student", width=64,
        height=64, resize_method="bicubic",
    )  # fmt: skip
    links = {**common, "latent_image": ["latent", 0], "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}
    parts["ours"] = node("AdaptiveStudentSample", **links)
    parts["core"] = node("KSampler", **links)
    return parts


def test_a_refined_subset_equals_the_whole_and_accepted_rows_stay(graph, comfy_app):
    some = comfy_app.run(keep(graph, merged=["merge", 0]))
    assert some.error is None
    every = comfy_app.run(keep(changed(graph, "gate", reject_indices="0 1 2 3"), merged=["merge", 0]))
    merged, refined = (run.kept["merged"][0]["samples"] for run in (some, every))
    latent = comfy_app.give["latent"]["samples"]
    assert merged.shape == SHAPE
    assert torch.equal(merged[[0, 2]], latent[[0, 2]])
    assert (merged[[1, 3]] - refined[[1, 3]]).abs().max() <= 1e-4 * refined.std()
    assert (refined - latent).abs().max() > 0.1


def test_a_student_draws_it_as_core_ksampler_does(graph, comfy_app):
    run = comfy_app.run(keep(graph, ours=["ours", 0], core=["core", 0]))
    assert run.error is None
    assert run.kept["ours"][0]["samples"].shape == SHAPE
    assert torch.equal(run.kept["ours"][0]["samples"], run.kept["core"][0]["samples"])
