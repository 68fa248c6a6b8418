"""Editing a given image: by text, within masks, with inpainting models and under ControlNet, as student and teacher."""

import pytest
import torch
from graphs import Graph, adaptive_graph, changed, keep, node

from .families import FAMILIES, Family
from .test_families import ALL, BATCH, REJECTED, graph, run
from .test_sub_batches import controlnet
from .tools import UNET, module

LOUD = 100.0
EDIT = "a green circle left of a blue square on sand"


def edited(denoise: float, k: float) -> Graph:
    """A given picture encoded, edited by the demo student, scored against the edit's text, refined by the teacher."""
    parts = adaptive_graph(EDIT, k=k, batch=2, steps=2)
    parts["picture"] = node("TestGive", name="picture")
    parts["empty"] = node("VAEEncode", pixels=["picture", 0], vae=["student_models", 2])
    return changed(parts, "student", denoise=denoise, sampler_name="euler", steps=3)


@pytest.fixture
def picture(comfy_app) -> torch.Tensor:
    """Two flat pictures with a bright middle."""
    images = torch.full((2, 64, 64, 3), 0.2)
    images[:, 20:44, 20:44] = torch.tensor([0.9, 0.1, 0.1])
    comfy_app.give["picture"] = images
    return images


def test_an_edit_is_scored_against_its_text_and_the_worse_image_refined(comfy_app, picture):
    links = {"student": ["student", 0], "teacher": ["teacher", 0], "gate": ["gate", 0], "merged": ["merge", 0]}
    parts = edited(0.6, k=50)
    done = comfy_app.run(keep(parts, **links, drawn=["student_images", 0]))
    assert done.error is None
    decision, drawn = done.kept["gate"][0], done.kept["drawn"][0]
    assert decision.scores.prompts == (EDIT, EDIT)
    assert len(decision.rejected) == len(done.kept["teacher"][0]["samples"]) == 1
    assert torch.equal(done.kept["merged"][0][list(decision.accepted)], drawn[list(decision.accepted)])
    assert not torch.equal(done.kept["merged"][0][list(decision.rejected)], drawn[list(decision.rejected)])


def test_a_student_edits_as_core_does_from_the_same_noise_level(comfy_app, picture):
    parts = edited(0.6, k=0)
    model = comfy_app.run(keep(parts, model=["student_models", 0])).kept["model"][0]
    schedules = module("host.sampling.schedules")
    comfy_app.give["sigmas"] = schedules.student_sigmas(model, "lcm", 3, "euler", 0.6)
    parts["sigmas"] = node("TestGive", name="sigmas")
    parts["noise"] = node("RandomNoise", noise_seed=1)
    parts["guider"] = node("BasicGuider", model=["student_models", 0], conditioning=["student_prompt", 0])
    parts["sampler"] = node("KSamplerSelect", sampler_name="euler")
    parts["core"] = node(
        "SamplerCustomAdvanced", noise=["noise", 0], guider=["guider", 0], sampler=["sampler", 0],
        sigmas=["sigmas", 0], latent_image=["empty", 0],
    )  # fmt: skip
    made = run(comfy_app, parts, "student", "core")
    assert torch.equal(made["student"], made["core"])


def test_less_denoise_keeps_more_of_the_picture(comfy_app, picture):
    distances = []
    for denoise in (0.1, 0.4, 0.9):
        made = run(comfy_app, edited(denoise, k=0), "student", "empty")
        distances.append((made["student"] - made["empty"]).std())
    assert distances[0] < 0.6 * distances[1]
    assert distances[1] < 0.9 * distances[2]


def masked(family: Family) -> dict[str, torch.Tensor]:
    """A latent of which only the right part may be drawn, less of each image than of the one before."""
    image = family.latent(BATCH, 7)
    masks = torch.zeros(BATCH, 1, *family.shape[1:])
    for i in range(BATCH):
        masks[i, ..., i + 1 :] = 1
    return {**image, "noise_mask": masks}


@pytest.mark.parametrize("name", ["SD1.5", "Flux", "Z-Image", "Qwen-Image"])
def test_student_and_teacher_draw_only_within_each_images_mask(name, comfy_app):
    family = FAMILIES[name]
    given = masked(family)
    whole = run(comfy_app, graph(comfy_app, family, ALL, empty=given), "student", "refine", "regenerate")
    part = run(comfy_app, graph(comfy_app, family, empty=given), "refine", "regenerate")
    kept = given["noise_mask"] == 0
    for made in whole.values():
        changes = (made - given["samples"]).abs()
        assert (changes * kept).max() <= 1e-5
        assert (changes * ~kept).amax(tuple(range(1, changes.ndim))).min() > 0.1
    for teacher, made in part.items():
        assert (made - whole[teacher][REJECTED]).abs().max() <= 1e-4 * whole[teacher].std()


def test_masks_that_core_takes_for_frames_are_one_mask_for_all(comfy_app):
    family = FAMILIES["Qwen-Image"]
    given = masked(family)
    given["noise_mask"] = given["noise_mask"].squeeze(2)
    whole = run(comfy_app, graph(comfy_app, family, ALL, empty=given), "refine", "regenerate")
    part = run(comfy_app, graph(comfy_app, family, empty=given), "refine", "regenerate")
    for teacher, made in part.items():
        assert (made - whole[teacher][REJECTED]).abs().max() <= 1e-4 * whole[teacher].std()


@pytest.mark.parametrize("images", [1, 2, 3, BATCH])
def test_an_inpainting_teacher_sees_the_pictures_and_masks_that_core_gives_those_images(images, comfy_app):
    generator = torch.Generator().manual_seed(4)
    family = Family(FAMILIES["SD1.5"].settings, {**UNET, "in_channels": 9})
    shown = {
        "concat_latent_image": torch.randn(images, 4, 9, 7, generator=generator) * LOUD,
        "concat_mask": (torch.rand(images, 1, 9, 7, generator=generator) > 0.5) * LOUD,
    }
    parts = graph(comfy_app, family, positive=family.text(1, **shown), negative=family.text(2, **shown))
    core = {"model": ["student_model", 0], "seed": 3, "steps": 2, "sampler_name": "euler", "scheduler": "simple"}
    made = run(comfy_app, changed(parts, "regenerate", **core), "core", "regenerate")
    assert (made["regenerate"] - made["core"][REJECTED]).abs().max() <= 1e-4 * made["core"].std()


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m"])
def test_a_student_under_controlnet_draws_as_core_does(sampler, comfy_app):
    family, control = FAMILIES["SD1.5"], controlnet()
    held = {"positive": family.text(1, BATCH, control=control), "negative": family.text(2, control=control)}
    parts = graph(comfy_app, family, **held)
    for name in ("student", "core"):
        parts = changed(parts, name, sampler_name=sampler)
    made = run(comfy_app, parts, "student", "core")
    assert torch.equal(made["student"], made["core"])
    free = run(comfy_app, changed(graph(comfy_app, family), "student", sampler_name=sampler), "student")
    assert (free["student"] - made["student"]).abs().max() > 1e-2 * free["student"].std()
