"""A student and a teacher of different sizes or VAEs: decode, resize, encode only the rejected, merge at one size."""

import comfy.model_base
import comfy.sd
import comfy.taesd.taesd
import comfy.utils
import pytest
import torch
from graphs import PROMPT, Graph, adaptive_graph, changed, keep, node

from .families import FAMILIES, TOKENS

SIDE = 128
BATCH = 3


def handed_over(k: float, method: str = "lanczos", **gate) -> Graph:
    """The demo student at 64 pixels, the demo teacher at 128."""
    graph = adaptive_graph(k=k, batch=BATCH, steps=2)
    graph = changed(graph, "gate", **gate)
    graph["rejected"] = node("AdaptiveSplit", decision=["gate", 0], batch=["student_images", 0])
    graph["scaled"] = node(
        "ImageScale", image=["rejected", 1], upscale_method=method, width=SIDE, height=SIDE, crop="disabled"
    )
    graph["encoded"] = node("VAEEncode", pixels=["scaled", 0], vae=["teacher_models", 2])
    graph = changed(graph, "teacher", latent=["encoded", 0])
    graph = changed(graph, "teacher_images", vae=["teacher_models", 2])
    return changed(graph, "merge", size="width x height", width=SIDE, height=SIDE)


@pytest.fixture
def encoded(monkeypatch) -> list[torch.Tensor]:
    """The images of every VAE encoding."""
    seen: list[torch.Tensor] = []
    encode = comfy.sd.VAE.encode
    monkeypatch.setattr(comfy.sd.VAE, "encode", lambda self, pixels: seen.append(pixels) or encode(self, pixels))
    return seen


def resized(images: torch.Tensor, method: str) -> torch.Tensor:
    return comfy.utils.common_upscale(images.movedim(-1, 1), SIDE, SIDE, method, "disabled").movedim(1, -1)


LINKS = {"merged": ["merge", 0], "student": ["student_images", 0], "improved": ["teacher_images", 0]}


@pytest.mark.parametrize("method", ["bicubic", "lanczos"])
def test_exactly_the_rejected_images_are_encoded_and_accepted_ones_only_resized(method, comfy_app, encoded):
    run = comfy_app.run(keep(handed_over(50, method, reject_indices="1"), **LINKS))
    assert run.error is None
    merged, student, improved = (run.kept[name][0] for name in LINKS)
    assert merged.shape == (BATCH, SIDE, SIDE, 3)
    assert torch.equal(merged[[0, 2]], resized(student, "bicubic")[[0, 2]])
    assert torch.equal(merged[[1]], improved)
    assert len(encoded) == 1
    assert torch.equal(encoded[0], resized(student[[1]], method))


def test_nothing_rejected_runs_neither_teacher_nor_encoder(comfy_app, encoded):
    run = comfy_app.run(keep(handed_over(0), merged=["merge", 0], student=["student_images", 0]))
    assert run.error is None
    assert encoded == []
    assert not {"teacher_models", "teacher", "encoded", "scaled", "rejected", "teacher_prompt"} & set(run.executed)
    assert torch.equal(run.kept["merged"][0], resized(run.kept["student"][0], "bicubic"))


def test_a_rejected_image_comes_out_as_if_all_had_been_rejected(comfy_app):
    one = comfy_app.run(keep(handed_over(50, reject_indices="1"), latent=["teacher", 0])).kept["latent"][0]["samples"]
    every = comfy_app.run(keep(handed_over(100), latent=["teacher", 0])).kept["latent"][0]["samples"]
    assert (one[0] - every[1]).abs().max() <= 1e-4 * every.std()
    assert (one[0] - every[0]).abs().max() > 0.1 * every.std()


@pytest.mark.parametrize(("rejected", "counts"), [("4", [1]), ("0 2 5", [2, 1])])
def test_batches_of_several_prompts_are_encoded_only_where_something_was_rejected(rejected, counts, comfy_app, encoded):
    graph = handed_over(50, reject_indices=rejected)
    graph["prompts"] = node("TestLines", text=f"{PROMPT}\na green cross left of a red circle on sky")
    for name, text in (("student_prompt", "text"), ("teacher_prompt", "text"), ("scores", "prompt")):
        graph = changed(graph, name, **{text: ["prompts", 0]})
    run = comfy_app.run(keep(graph, **LINKS))
    assert run.error is None
    assert [len(images) for images in encoded] == counts
    improved = torch.cat(run.kept["improved"])
    merged, student = torch.cat(run.kept["merged"]), torch.cat(run.kept["student"])
    numbers = [int(number) for number in rejected.split()]
    others = [i for i in range(2 * BATCH) if i not in numbers]
    assert torch.equal(merged[numbers], improved)
    assert torch.equal(merged[others], resized(student, "bicubic")[others])


def test_the_sdxl_refiner_as_teacher_has_its_own_vae_and_conditioning(comfy_app, encoded, monkeypatch):
    asked = []
    adm = comfy.model_base.SDXLRefiner.encode_adm
    monkeypatch.setattr(
        comfy.model_base.SDXLRefiner, "encode_adm", lambda self, **given: asked.append(given) or adm(self, **given)
    )
    refiner = FAMILIES["SDXL refiner"]
    layout = comfy.taesd.taesd.TAESD(latent_channels=4).state_dict()
    weights = {key: torch.randn_like(value) * 0.2 for key, value in layout.items()}
    comfy_app.give.update(
        refiner=refiner.model(), vae=comfy.sd.VAE(sd=weights), text=refiner.text(1), other=refiner.text(2)
    )
    graph = handed_over(100)
    graph.update({name: node("TestGive", name=name) for name in ("refiner", "vae", "text", "other")})
    graph = changed(graph, "encoded", vae=["vae", 0])
    graph = changed(graph, "teacher_images", vae=["vae", 0])
    graph = changed(graph, "teacher", model=["refiner", 0], positive=["text", 0], negative=["other", 0])
    run = comfy_app.run(keep(graph, **LINKS, latent=["teacher", 0]))
    assert run.error is None
    assert "teacher_models" not in run.executed
    assert run.kept["latent"][0]["samples"].shape == (BATCH, 4, SIDE // 8, SIDE // 8)
    assert run.kept["merged"][0].shape == (BATCH, SIDE, SIDE, 3)
    assert {(one["prompt_type"], one["width"], one["height"]) for one in asked} == {
        ("positive", SIDE, SIDE),
        ("negative", SIDE, SIDE),
    }
    for one in asked:
        own = comfy_app.give["text" if one["prompt_type"] == "positive" else "other"][0]
        assert torch.equal(one["pooled_output"], own[1]["pooled_output"])
        assert one["cross_attn"].shape[1] == TOKENS
