"""Examples on flow models."""

from typing import Any

from . import models
from .parts import (
    Box,
    Graph,
    Workflow,
    about,
    drawn,
    encoded,
    judge,
    judge_group,
    node,
    prompt_node,
    refined,
    result,
    result_group,
    student_group,
    teacher_group,
)
from .sdxl import AVOID, JUDGE_BOX

PROMPT = "a hedgehog wearing a tiny party hat surrounded by confetti, flash photography, candid moment"
VAE = ["vae", 0]


def shared(text: models.ModelFile, kind: str, vae: models.ModelFile) -> Graph:
    """What student and teacher of a family share."""
    return {
        **prompt_node(PROMPT),
        "text_encoder": node("CLIPLoader", "Text encoder of both", clip_name=text.name, type=kind),
        "vae": node("VAELoader", "VAE of both", vae_name=vae.name),
        "positive": encoded(["text_encoder", 0], "Prompt for both"),
        "negative": encoded(["text_encoder", 0], "Negative prompt", AVOID),
    }


def teacher(model: list, **settings: Any) -> Graph:
    """Refining from the noise that rollback 0.7 is on SDXL."""
    return refined(model, ["positive", 0], ["negative", 0], VAE, rollback=0.9, rollback_scale="variance", **settings)


def unet(role: str, file: models.ModelFile) -> dict[str, Any]:
    return node("UNETLoader", f"{role}'s model", unet_name=file.name)


def shifted(role: str) -> dict[str, Any]:
    return node("ModelSamplingAuraFlow", f"{role}'s shift", model=[f"{role.lower()}_model", 0], shift=3.0)


def z_image() -> Graph:
    sampling = {"sampler_name": "res_multistep", "scheduler": "simple"}
    return {
        **shared(models.Z_IMAGE_TEXT, "lumina2", models.Z_IMAGE_VAE),
        "student_model": unet("Student", models.Z_IMAGE_TURBO),
        "student_shift": shifted("Student"),
        "size": node("EmptySD3LatentImage", width=1024, height=1024, batch_size=4),
        **drawn(["student_shift", 0], VAE, steps=8, **sampling),
        **judge(models.IMAGE_REWARD.name),
        "teacher_model": unet("Teacher", models.Z_IMAGE),
        "teacher_shift": shifted("Teacher"),
        **teacher(["teacher_shift", 0], cfg=4.0, **sampling),
        **result("adaptive_z_image"),
    }


def klein() -> Graph:
    return {
        **shared(models.KLEIN_TEXT, "flux2", models.KLEIN_VAE),
        "student_model": unet("Student", models.KLEIN),
        "size": node("EmptyFlux2LatentImage", width=1024, height=1024, batch_size=4),
        "sigmas": node("Flux2Scheduler", "Student's steps", steps=4, width=1024, height=1024),
        **drawn(["student_model", 0], VAE, sampler_name="euler", sigmas=["sigmas", 0]),
        **judge(models.IMAGE_REWARD.name),
        "teacher_model": unet("Teacher", models.KLEIN_BASE),
        **teacher(["teacher_model", 0], cfg=5.0, sampler_name="euler"),
        **result("adaptive_flux2_klein"),
    }


Z_IMAGE = Workflow(
    "Adaptive Z-Image",
    z_image(),
    (
        about("note:z-image", "prompt", "note:this run", "note:rollback of a flow model"),
        student_group(
            ("student_model", "student_shift", "text_encoder", "positive", "size", "vae"), ("student", "student_images")
        ),
        judge_group(),
        teacher_group(("teacher_model", "teacher_shift", "negative", "teacher", "teacher_images")),
        result_group(),
    ),
    models=(models.Z_IMAGE_TURBO, models.Z_IMAGE, models.Z_IMAGE_TEXT, models.Z_IMAGE_VAE, models.IMAGE_REWARD),
    card=(Box("Student", "Z-Image-Turbo, 8 steps"), JUDGE_BOX, Box("Teacher", "Z-Image, 12 steps")),
    preset="Z-Image-Turbo + Z-Image",
)
KLEIN = Workflow(
    "Adaptive FLUX.2 klein",
    klein(),
    (
        about("note:flux.2 klein", "prompt", "note:this run", "note:rollback of a flow model"),
        student_group(
            ("student_model", "text_encoder", "positive", "size", "sigmas", "vae"),
            ("student", "student_images", "note:flux.2 steps"),
        ),
        judge_group(),
        teacher_group(("teacher_model", "negative", "teacher", "teacher_images")),
        result_group(),
    ),
    models=(models.KLEIN, models.KLEIN_BASE, models.KLEIN_TEXT, models.KLEIN_VAE, models.IMAGE_REWARD),
    card=(Box("Student", "FLUX.2 klein 4B, 4 steps"), JUDGE_BOX, Box("Teacher", "klein base 4B, 12 steps")),
    preset="FLUX.2 klein + base",
)
WORKFLOWS = (Z_IMAGE, KLEIN)
