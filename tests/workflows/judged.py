"""Examples that a vision-language model judges."""

from . import models
from .parts import (
    BLUE,
    PROMPT,
    YELLOW,
    Box,
    Group,
    Workflow,
    about,
    drawn,
    encoded,
    node,
    prompt_node,
    result,
    result_group,
    student_group,
    teacher_group,
)
from .sdxl import EULER, FOX, LIGHTNING_BOX, STUDENT_COLUMNS, TEACHER_BOX, VAE, empty, teacher, with_lora

CHECKS = """Are all paws, hands and faces drawn rightly? | correct anatomy | 2
Is every object whole, with nothing melted together? | clean shapes
Is the light the same everywhere? | consistent light"""

NAMED_CHECKS = Workflow(
    "Adaptive named checks",
    {
        **prompt_node(FOX),
        **with_lora(models.LIGHTNING),
        **empty(1024),
        **drawn(["lora", 0], VAE, **EULER),
        "vision": node("CLIPLoader", "Text encoder that sees", clip_name=models.QWEN3_VL.name, type="krea2"),
        "estimator": node("AdaptiveVisionJudge", clip=["vision", 0], checks=CHECKS),
        "scores": node("AdaptiveQualityScore", estimator=["estimator", 0], images=["student_images", 0], prompt=PROMPT),
        "gate": node("AdaptiveThresholdGate", scores=["scores", 0], student=["student", 1]),
        "split": node("AdaptiveSplit", "Why they were rejected", decision=["gate", 0], batch=["student_images", 0]),
        "asked": node(
            "StringConcatenate", "Prompt and reasons", string_a=["split", 2], string_b=["split", 4], delimiter=", "
        ),
        "teacher_prompt": encoded(["checkpoint", 1], "Prompt for the teacher", ["asked", 0]),
        **teacher(["teacher_prompt", 0], ["negative", 0]),
        **result("adaptive_named_checks"),
        "report": node(
            "AdaptiveReport", images=["student_images", 0], decision=["merged", 1], final_images=["merged", 0]
        ),
        "sheet": node("PreviewImage", "Contact sheet", images=["report", 0]),
    },
    (
        about("note:named checks", "prompt"),
        student_group(*STUDENT_COLUMNS),
        Group("Judge", YELLOW, (("vision", "estimator"), ("scores", "gate"))),
        teacher_group(("split", "asked", "teacher_prompt", "negative"), ("teacher", "teacher_images")),
        result_group(("merged", "save"), ("report",), ("sheet",)),
    ),
    models=(models.SDXL, models.LIGHTNING, models.QWEN3_VL),
    card=(LIGHTNING_BOX, Box("Judge", "Qwen3-VL, with named checks"), TEACHER_BOX),
    preset="SDXL-Lightning + SDXL",
)
BETTER_JUDGE = Workflow(
    "Adaptive better judge",
    {
        **prompt_node(FOX),
        **with_lora(models.LIGHTNING),
        **empty(1024),
        **drawn(["lora", 0], VAE, **EULER),
        "preview": node("PreviewImage", "What is calibrated", images=["student_images", 0]),
        "vision": node("CLIPLoader", "Text encoder that sees", clip_name=models.QWEN3_VL.name, type="krea2"),
        "judge": node("AdaptiveVisionJudge", "Only while calibrating", clip=["vision", 0]),
        "estimator": node("AdaptiveLoadEstimator", "Ever after", estimator=models.IMAGE_REWARD.name),
        "prompts": node("AdaptiveLoadPrompts", count=300),
        "calibrate": node(
            "AdaptiveCalibrateGate",
            model=["lora", 0],
            clip=["checkpoint", 1],
            vae=VAE,
            estimator=["estimator", 0],
            student=["student", 1],
            prompts=["prompts", 0],
            teacher_model=["checkpoint", 0],
            teacher_clip=["checkpoint", 1],
            teacher_negative=["negative", 0],
            judge=["judge", 0],
            name="my gate of a better judge",
        ),
    },
    (
        about("note:better judge", "prompt"),
        student_group(*STUDENT_COLUMNS),
        Group("Teacher's prompt", BLUE, (("negative",),)),
        Group("Judges", YELLOW, (("vision", "judge"), ("estimator", "prompts"))),
        Group("Gate", YELLOW, (("preview",), ("calibrate",))),
    ),
    models=(models.SDXL, models.LIGHTNING, models.QWEN3_VL, models.IMAGE_REWARD),
    card=(Box("Judge", "Qwen3-VL, once"), Box("Gate", "learns what it prefers"), Box("Ever after", "ImageReward")),
)
WORKFLOWS = (NAMED_CHECKS, BETTER_JUDGE)
