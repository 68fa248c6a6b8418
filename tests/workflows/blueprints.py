"""Blueprints: the method as one node for ComfyUI's node search, for whatever models are linked to it."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from . import models
from .demo import SCENE
from .parts import (
    PROMPT,
    YELLOW,
    Graph,
    Group,
    ModelFile,
    drawn,
    encoded,
    judge,
    judge_group,
    node,
    prompt_node,
    refined,
    result_group,
    student_group,
    teacher_group,
)


class Inlet(NamedTuple):
    """An input of a blueprint, and the inputs inside that it feeds, as (node, input). label: what a person reads."""

    name: str
    type: str
    feeds: tuple[tuple[str, str], ...]
    label: str = ""


class Outlet(NamedTuple):
    """An output of a blueprint, and the node and slot inside that give it."""

    name: str
    type: str
    source: tuple[str, int]


class Trial(NamedTuple):
    """How a blueprint is tried: the node and slot that feed each of its links, and the values it is given."""

    sources: dict[str, dict[str, Any]]
    values: dict[str, Any]


@dataclass(frozen=True)
class Blueprint:
    """A subgraph. about: what node search says of it. randomized: nodes whose seed changes with every run."""

    name: str
    about: str
    aliases: tuple[str, ...]
    graph: Graph
    groups: tuple[Group, ...]
    inlets: tuple[Inlet, ...]
    outlets: tuple[Outlet, ...]
    trial: Trial
    models: tuple[ModelFile, ...] = ()
    randomized: tuple[str, ...] = ()


ALIASES = ("adaptive", "refine bad images", "auto quality", "quality gate", "best of")
JUDGING = (
    Inlet("estimator", "COMBO", (("estimator", "estimator"),)),
    Inlet("table", "COMBO", (("gate", "table"),)),
    Inlet("k", "FLOAT", (("gate", "k"),), "Improve worst % (k)"),
)
TEXTS = (
    Inlet("prompt", "STRING", (("prompt", "value"),)),
    Inlet("negative", "STRING", (("teacher_negative", "text"),), "negative prompt"),
)
REFINING = (
    Inlet("rollback", "FLOAT", (("teacher", "rollback"),), "Rollback (0 keep ... 1 redraw)"),
    Inlet("teacher_steps", "INT", (("teacher", "steps"),), "teacher steps"),
    Inlet("teacher_cfg", "FLOAT", (("teacher", "cfg"),), "teacher cfg"),
)


def demo_models(role: str, slot: int) -> dict[str, Any]:
    return {"class_type": "AdaptiveLoadDemoModels", "inputs": {"role": role}, "slot": slot}


def student() -> Graph:
    return {
        "student_prompt": encoded(None, "Prompt for the student"),
        "size": node("EmptyLatentImage", width=1024, height=1024, batch_size=4),
        **drawn(None, None, positive=["student_prompt", 0]),
    }


def teacher(**settings: Any) -> Graph:
    return {
        "teacher_prompt": encoded(None, "Prompt for the teacher"),
        "teacher_negative": encoded(None, "Negative prompt", "blurry, low quality"),
        **refined(None, ["teacher_prompt", 0], ["teacher_negative", 0], None, **settings),
    }


def text_to_image() -> Graph:
    links = {"decision": ["gate", 0], "images": ["student_images", 0], "final_images": ["merged", 0]}
    return {
        **prompt_node(""),
        **student(),
        **judge(models.IMAGE_REWARD.name),
        **teacher(),
        "merged": node(
            "AdaptiveMerge", decision=["gate", 0], student=["student_images", 0], improved=["teacher_images", 0]
        ),
        "report": node("AdaptiveReport", **links),
    }


def refine() -> Graph:
    """As any judged image, but the images come from outside, and only the rejected ones are encoded."""
    return {
        **prompt_node(""),
        "estimator": node("AdaptiveLoadEstimator", estimator=models.IMAGE_REWARD.name),
        "scores": node("AdaptiveQualityScore", estimator=["estimator", 0], prompt=PROMPT),
        "gate": node("AdaptiveThresholdGate", scores=["scores", 0], table="ImageReward - LCM-SDXL"),
        "rejected": node("AdaptiveSplit", "Only the rejected", decision=["gate", 0]),
        "latent": node("VAEEncode", pixels=["rejected", 1]),
        **teacher(latent=["latent", 0], rollback=0.5),
        "merged": node("AdaptiveMerge", decision=["gate", 0], improved=["teacher_images", 0]),
    }


TEXT_TO_IMAGE = Blueprint(
    "Adaptive text to image",
    "Draws images with a fast student model, scores them, and lets a slow teacher model refine only the weak ones.",
    (*ALIASES, "text to image", "lcm", "lightning", "turbo"),
    text_to_image(),
    (
        student_group(("prompt", "student_prompt", "size"), ("student", "student_images")),
        judge_group(),
        teacher_group(("teacher_prompt", "teacher_negative", "teacher", "teacher_images")),
        result_group(("merged", "report")),
    ),
    (
        Inlet("student", "MODEL", (("student", "model"),)),
        Inlet("student_clip", "CLIP", (("student_prompt", "clip"),), "student clip"),
        Inlet("vae", "VAE", (("student_images", "vae"), ("teacher_images", "vae"))),
        Inlet("teacher", "MODEL", (("teacher", "model"),)),
        Inlet("teacher_clip", "CLIP", (("teacher_prompt", "clip"), ("teacher_negative", "clip")), "teacher clip"),
        *TEXTS,
        Inlet("width", "INT", (("size", "width"),)),
        Inlet("height", "INT", (("size", "height"),)),
        Inlet("batch_size", "INT", (("size", "batch_size"),), "images"),
        Inlet("seed", "INT", (("student", "seed"), ("teacher", "seed"))),
        Inlet("student_steps", "INT", (("student", "steps"),), "student steps"),
        Inlet("student_cfg", "FLOAT", (("student", "cfg"),), "student cfg"),
        Inlet("sampler_name", "COMBO", (("student", "sampler_name"),), "student sampler"),
        Inlet("scheduler", "COMBO", (("student", "scheduler"),), "student scheduler"),
        *JUDGING,
        *REFINING,
    ),
    (Outlet("images", "IMAGE", ("merged", 0)), Outlet("contact sheet", "IMAGE", ("report", 0))),
    Trial(
        {
            "student": demo_models("student", 0),
            "student_clip": demo_models("student", 1),
            "vae": demo_models("student", 2),
            "teacher": demo_models("teacher", 0),
            "teacher_clip": demo_models("teacher", 1),
        },
        {"prompt": SCENE, "negative": "", "width": 64, "height": 64, "estimator": "demo", "student_steps": 1},
    ),
    models=(models.IMAGE_REWARD,),
    randomized=("student",),
)
REFINE = Blueprint(
    "Adaptive refine of an image",
    "Scores images for a prompt and lets a model refine only those under the threshold; the others pass untouched.",
    (*ALIASES, "image to image", "upscale", "img2img"),
    refine(),
    (
        Group("Judge", YELLOW, (("prompt", "estimator", "scores"), ("gate",))),
        teacher_group(("rejected", "latent", "teacher_prompt", "teacher_negative"), ("teacher", "teacher_images")),
        result_group(("merged",)),
    ),
    (
        Inlet("images", "IMAGE", (("scores", "images"), ("rejected", "batch"), ("merged", "student"))),
        Inlet("teacher", "MODEL", (("teacher", "model"),)),
        Inlet("clip", "CLIP", (("teacher_prompt", "clip"), ("teacher_negative", "clip"))),
        Inlet("vae", "VAE", (("latent", "vae"), ("teacher_images", "vae"))),
        *TEXTS,
        *JUDGING,
        Inlet("seed", "INT", (("teacher", "seed"),)),
        *REFINING,
    ),
    (Outlet("images", "IMAGE", ("merged", 0)),),
    Trial(
        {
            "images": {"class_type": "LoadImage", "inputs": {"image": "example.png"}, "slot": 0},
            "teacher": demo_models("teacher", 0),
            "clip": demo_models("teacher", 1),
            "vae": demo_models("teacher", 2),
        },
        {"prompt": SCENE, "negative": "", "estimator": "demo", "table": "Demo"},
    ),
    models=(models.IMAGE_REWARD,),
    randomized=("teacher",),
)
BLUEPRINTS = (TEXT_TO_IMAGE, REFINE)
