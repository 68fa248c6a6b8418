"""Any LATENT or IMAGE can be the student's."""

import numpy
import pytest
import torch
from graphs import PROMPT, adaptive_graph, changed, keep, node
from PIL import Image


def ksampler(graph):
    graph["student"] = node(
        "KSampler", model=["student_models", 0], seed=1, steps=2, cfg=1.0, sampler_name="lcm", scheduler="simple",
        positive=["student_prompt", 0], negative=["student_prompt", 0], latent_image=["empty", 0], denoise=1.0,
    )  # fmt: skip
    return graph


def custom_sampler(graph):
    graph["noise"] = node("RandomNoise", noise_seed=1)
    graph["guider"] = node("BasicGuider", model=["student_models", 0], conditioning=["student_prompt", 0])
    graph["sampler"] = node("KSamplerSelect", sampler_name="euler")
    graph["sigmas"] = node("BasicScheduler", model=["student_models", 0], scheduler="simple", steps=3, denoise=1.0)
    graph["student"] = node(
        "SamplerCustomAdvanced", noise=["noise", 0], guider=["guider", 0], sampler=["sampler", 0], sigmas=["sigmas", 0],
        latent_image=["empty", 0],
    )  # fmt: skip
    return graph


def load_image(graph):
    graph["student_images"] = node("LoadImage", image="drawn.png")
    graph["student"] = node("VAEEncode", pixels=["student_images", 0], vae=["teacher_models", 2])
    return graph


@pytest.mark.parametrize("student", [ksampler, custom_sampler, load_image])
def test_core_nodes_as_the_student(student, comfy_app, booted):
    pixels = numpy.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=numpy.uint8)
    (booted / "input").mkdir(exist_ok=True)
    Image.fromarray(pixels).save(booted / "input" / "drawn.png")
    graph = keep(student(adaptive_graph(k=100, batch=2)), merged=["merge", 0], student=["student_images", 0])
    run = comfy_app.run(graph)
    assert run.error is None
    assert run.kept["merged"][0].shape == run.kept["student"][0].shape
    assert not torch.equal(run.kept["merged"][0], run.kept["student"][0])


@pytest.mark.parametrize(
    ("sampler", "scheduler"), [("euler", "normal"), ("uni_pc", "karras"), ("dpmpp_2m_sde", "beta"), ("lcm", "simple")]
)
@pytest.mark.parametrize("extra", ["plain", "mask", "batch_index"])
def test_student_sample_equals_core_ksampler(sampler, scheduler, extra, comfy_app):
    graph = adaptive_graph()
    latent = {"samples": torch.zeros(3, 8, 9, 7)}
    if extra == "mask":
        latent = {"samples": torch.randn(3, 8, 9, 7), "noise_mask": torch.zeros(3, 1, 72, 56)}
        latent["noise_mask"][:, :, :, 20:] = 1
    if extra == "batch_index":
        latent["batch_index"] = [4, 1, 1]
    comfy_app.give["latent"] = latent
    parts = {name: graph[name] for name in ("student_models", "student_prompt")}
    settings = {"seed": 3, "steps": 4, "cfg": 2.0, "sampler_name": sampler, "scheduler": scheduler, "denoise": 1.0}
    links = {
        "model": ["student_models", 0],
        "positive": ["student_prompt", 0],
        "negative": ["negative", 0],
        "latent_image": ["latent", 0],
    }
    parts["latent"] = node("TestGive", name="latent")
    parts["negative"] = node("CLIPTextEncode", clip=["student_models", 1], text="")
    parts["ours"] = node("AdaptiveStudentSample", **settings, **links)
    parts["core"] = node("KSampler", **settings, **links)
    run = comfy_app.run(keep(parts, ours=["ours", 0], core=["core", 0]))
    assert run.error is None
    assert torch.equal(run.kept["ours"][0]["samples"], run.kept["core"][0]["samples"])


def test_a_latent_goes_through_split_and_merge(comfy_app):
    graph = adaptive_graph(k=50)
    graph = changed(graph, "merge", student=["student", 0], improved=["teacher", 0])
    graph["images"] = node("VAEDecode", samples=["merge", 0], vae=["student_models", 2])
    graph["split"] = node("AdaptiveSplit", decision=["gate", 0], batch=["student", 0])
    graph = changed(graph, "save", images=["images", 0])
    links = {
        "merged": ["merge", 0],
        "student": ["student", 0],
        "kept": ["split", 0],
        "out": ["split", 1],
        "gate": ["gate", 0],
    }
    run = comfy_app.run(keep(graph, **links))
    assert run.error is None
    decision = run.kept["gate"][0]
    student, merged = run.kept["student"][0]["samples"], run.kept["merged"][0]["samples"]
    assert torch.equal(run.kept["kept"][0]["samples"], student[list(decision.accepted)])
    assert torch.equal(run.kept["out"][0]["samples"], student[list(decision.rejected)])
    assert torch.equal(merged[list(decision.accepted)], student[list(decision.accepted)])
    assert PROMPT in decision.scores.prompts
