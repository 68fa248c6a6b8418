"""Examples on SDXL and what was distilled from it."""

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

FOX = "a red fox reading a newspaper on a park bench, autumn leaves, morning light"
PAINTING = "an oil painting of a girl with fox ears in a pink dress on a green hill, white clouds in a blue sky"
PORCELAIN = "a porcelain figure of a girl with fox ears in a pink dress, studio photo, soft light"
AVOID = "blurry, low quality"
VAE = ["checkpoint", 2]
EULER = {"sampler_name": "euler", "scheduler": "sgm_uniform"}

STUDENT_COLUMNS = (("checkpoint", "lora", "positive", "size"), ("student", "student_images"))
TEACHER_COLUMN = ("negative", "teacher", "teacher_images", "note:same checkpoint")
LIGHTNING_BOX = Box("Student", "SDXL + Lightning LoRA, 4 steps")
JUDGE_BOX = Box("Judge", "ImageReward")
TEACHER_BOX = Box("Teacher", "SDXL, 12 steps")


def with_lora(lora: models.ModelFile) -> Graph:
    """SDXL, with a LoRA for the student, and the prompts of both."""
    return {
        **base(),
        "lora": node("LoraLoaderModelOnly", "Student's LoRA", model=["checkpoint", 0], lora_name=lora.name),
    }


def base() -> Graph:
    """SDXL and the prompts of both."""
    return {
        "checkpoint": node("CheckpointLoaderSimple", "Checkpoint", ckpt_name=models.SDXL.name),
        "positive": encoded(["checkpoint", 1], "Prompt for both"),
        "negative": encoded(["checkpoint", 1], "Negative prompt", AVOID),
    }


def empty(side: int) -> Graph:
    return {"size": node("EmptyLatentImage", width=side, height=side, batch_size=4)}


def teacher(positive: list, negative: list, **settings: Any) -> Graph:
    """The checkpoint without the LoRA."""
    return refined(["checkpoint", 0], positive, negative, VAE, **settings)


def lcm() -> Graph:
    return {
        **prompt_node(FOX),
        **base(),
        "lcm": node("UNETLoader", "Student's model", unet_name=models.LCM_SDXL.name),
        "guided": node("AdaptiveLCMGuidance", model=["lcm", 0], unet_name=models.LCM_SDXL.name),
        **empty(1024),
        **drawn(["guided", 0], VAE),
        "budget": node("AdaptiveBudget", student=["student", 1]),
        **judge(models.IMAGE_REWARD.name, table="ImageReward - LCM-SDXL", k=["budget", 0]),
        **teacher(["positive", 0], ["negative", 0], rollback_scale="official"),
        **result("adaptive_sdxl_lcm"),
    }


def refiner() -> Graph:
    """The SDXL refiner on the rejected images, enlarged."""
    return {
        "rejected": node("AdaptiveSplit", "Only the rejected", decision=["gate", 0], batch=["student_images", 0]),
        "enlarged": node("ImageScale", image=["rejected", 1], upscale_method="bicubic", width=1024, height=1024),
        "latent": node("VAEEncode", pixels=["enlarged", 0], vae=VAE),
        "teacher_checkpoint": node(
            "CheckpointLoaderSimple", "Teacher's checkpoint", ckpt_name=models.SDXL_REFINER.name
        ),
        "teacher_prompt": encoded(["teacher_checkpoint", 1], "Prompt for the teacher"),
        "teacher_negative": encoded(["teacher_checkpoint", 1], "Negative prompt", AVOID),
        **refined(
            ["teacher_checkpoint", 0],
            ["teacher_prompt", 0],
            ["teacher_negative", 0],
            VAE,
            latent=["latent", 0],
            steps=4,
            rollback=0.3,
            rollback_scale="official",
        ),
    }


def turbo() -> Graph:
    settings = {"steps": 2, "sampler_name": "euler_ancestral", "scheduler": "trailing"}
    return {
        **prompt_node(FOX),
        "checkpoint": node("CheckpointLoaderSimple", "Student's checkpoint", ckpt_name=models.SDXL_TURBO.name),
        "positive": encoded(["checkpoint", 1], "Prompt for the student"),
        **empty(512),
        **drawn(["checkpoint", 0], VAE, **settings),
        **judge(models.IMAGE_REWARD.name, table="ImageReward - SDXL-Turbo"),
        **refiner(),
        **result("adaptive_sdxl_turbo", size="width x height"),
    }


def picture(title: str) -> Graph:
    """An image of the user's, brought to about a megapixel."""
    return {
        "picture": node("LoadImage", title, image="example.png"),
        "scaled": node(
            "ImageScaleToTotalPixels",
            image=["picture", 0],
            upscale_method="lanczos",
            megapixels=1.0,
            resolution_steps=8,
        ),
    }


def editing() -> Graph:
    return {
        **prompt_node(PAINTING),
        **picture("Image to edit"),
        "latent": node("VAEEncode", pixels=["scaled", 0], vae=VAE),
        "variants": node("RepeatLatentBatch", "How many variants", samples=["latent", 0], amount=4),
        **with_lora(models.LCM_LORA),
        **drawn(["lora", 0], VAE, latent_image=["variants", 0], denoise=0.6),
        **judge(models.IMAGE_REWARD.name),
        **teacher(["positive", 0], ["negative", 0], rollback=0.5),
        **result("adaptive_edit"),
    }


def edges() -> Graph:
    """A ControlNet's hint from an image, and a latent of its size."""
    return {
        **picture("Image to take edges from"),
        "edges": node("Canny", image=["scaled", 0]),
        "pixels": node("GetImageSize", image=["edges", 0]),
        "size": node("EmptyLatentImage", width=["pixels", 0], height=["pixels", 1], batch_size=4),
        "control_model": node("ControlNetLoader", control_net_name=models.CANNY.name),
        "control": node(
            "ControlNetApplyAdvanced",
            "ControlNet for both",
            positive=["positive", 0],
            negative=["negative", 0],
            control_net=["control_model", 0],
            image=["edges", 0],
            strength=0.8,
        ),
    }


LIGHTNING = Workflow(
    "Adaptive SDXL with a Lightning LoRA",
    {
        **prompt_node(FOX),
        **with_lora(models.LIGHTNING),
        **empty(1024),
        **drawn(["lora", 0], VAE, **EULER),
        **judge(models.IMAGE_REWARD.name),
        **teacher(["positive", 0], ["negative", 0]),
        **result("adaptive_sdxl_lightning"),
    },
    (
        about("note:sdxl lightning", "prompt", "note:this run"),
        student_group(*STUDENT_COLUMNS),
        judge_group(),
        teacher_group(TEACHER_COLUMN),
        result_group(),
    ),
    models=(models.SDXL, models.LIGHTNING, models.IMAGE_REWARD),
    card=(LIGHTNING_BOX, JUDGE_BOX, TEACHER_BOX),
    preset="SDXL-Lightning + SDXL",
)
LCM = Workflow(
    "Adaptive LCM-SDXL and SDXL",
    lcm(),
    (
        about("note:lcm-sdxl", "prompt", "note:published table"),
        student_group(
            ("checkpoint", "lcm", "guided", "positive", "size"), ("student", "student_images", "budget", "note:budget")
        ),
        judge_group(),
        teacher_group(TEACHER_COLUMN),
        result_group(),
    ),
    models=(models.SDXL, models.LCM_SDXL, models.IMAGE_REWARD),
    card=(Box("Student", "LCM-SDXL, 4 steps"), JUDGE_BOX, TEACHER_BOX),
    preset="LCM-SDXL + SDXL",
)
TURBO = Workflow(
    "Adaptive SDXL-Turbo and refiner",
    turbo(),
    (
        about("note:sdxl turbo", "prompt", "note:published table"),
        student_group(("checkpoint", "positive", "size"), ("student", "student_images")),
        judge_group(),
        teacher_group(
            ("teacher_checkpoint", "teacher_prompt", "teacher_negative", "rejected", "enlarged", "latent"),
            ("teacher", "teacher_images", "note:refiner"),
        ),
        result_group(),
    ),
    models=(models.SDXL_TURBO, models.SDXL_REFINER, models.IMAGE_REWARD),
    card=(
        Box("Student", "SDXL-Turbo, 2 steps, 512 px"),
        JUDGE_BOX,
        Box("Teacher", "SDXL refiner, 4 steps, 1024 px"),
    ),
    preset="SDXL-Turbo + SDXL refiner",
)
EDITING = Workflow(
    "Adaptive text-guided editing",
    editing(),
    (
        about("note:editing", "prompt", "note:what the score sees"),
        student_group(
            ("checkpoint", "lora", "positive"),
            ("picture", "scaled", "latent", "variants"),
            ("student", "student_images"),
        ),
        judge_group(),
        teacher_group(TEACHER_COLUMN),
        result_group(),
    ),
    models=(models.SDXL, models.LCM_LORA, models.IMAGE_REWARD),
    card=(Box("Image", "your own"), Box("Student", "SDXL + LCM LoRA, denoise 0.6"), JUDGE_BOX, TEACHER_BOX),
)
CONTROLNET = Workflow(
    "Adaptive ControlNet",
    {
        **prompt_node(PORCELAIN),
        **with_lora(models.LIGHTNING),
        **edges(),
        **drawn(["lora", 0], VAE, positive=["control", 0], **EULER),
        **judge(models.IMAGE_REWARD.name),
        **teacher(["control", 0], ["control", 1]),
        **result("adaptive_controlnet"),
    },
    (
        about("note:controlnet", "prompt", "note:this run"),
        student_group(
            ("checkpoint", "lora", "control_model", "positive", "negative"),
            ("picture", "scaled", "edges", "pixels", "size"),
            ("control", "student", "student_images", "note:same edges"),
        ),
        judge_group(),
        teacher_group(("teacher", "teacher_images")),
        result_group(),
    ),
    models=(models.SDXL, models.LIGHTNING, models.CANNY, models.IMAGE_REWARD),
    card=(Box("Edges", "of your image"), LIGHTNING_BOX, JUDGE_BOX, TEACHER_BOX),
    preset="SDXL-Lightning + SDXL",
)
WORKFLOWS = (LIGHTNING, LCM, TURBO, EDITING, CONTROLNET)
