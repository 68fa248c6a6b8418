"""Examples on the demo models that hold images for the teacher, improve them later, and draw until enough are good."""

from .demo import SCENE, SEED, TEACHER_COLUMN, TEACHER_STEPS
from .parts import (
    BLUE,
    GREY,
    PROMPT,
    YELLOW,
    Box,
    Graph,
    Group,
    Workflow,
    about,
    drawn,
    encoded,
    judge,
    node,
    prompt_node,
    refined,
    result_group,
    student_group,
)

FOLDER = "demo"
COUNT = 4


def hold() -> Graph:
    """Many prompts of the student, of which the rejected are held and the accepted saved."""
    judging = judge("demo", table="Demo", k=50.0)
    judging["scores"]["inputs"]["prompt"] = ["prompts", 0]
    models = (["student_models", 0], ["student_models", 2])
    held = {"decision": ["gate", 0], "images": ["student_images", 0], "latent": ["student", 0]}
    return {
        "prompts": node("AdaptiveLoadPrompts", file="demo", count=COUNT, seed=SEED),
        "student_models": node("AdaptiveLoadDemoModels", "Student's models", role="student"),
        "student_prompt": encoded(["student_models", 1], "Every prompt", ["prompts", 0]),
        "size": node("EmptyLatentImage", width=64, height=64, batch_size=2),
        **drawn(*models, positive=["student_prompt", 0], seed=["prompts", 1], steps=1),
        **judging,
        "hold": node("AdaptiveHoldRejected", **held, folder=FOLDER),
        "save": node("AdaptiveSaveImages", images=["hold", 0], decision=["hold", 1], filename_prefix="adaptive_day"),
    }


def teacher_later() -> Graph:
    """What was held goes to the teacher."""
    models = (["teacher_models", 0], ["teacher_prompt", 0], ["teacher_negative", 0], ["teacher_models", 2])
    taken = {"decision": ["take", 0], "latent": ["take", 1], "seed": ["take", 4]}
    merged = {"decision": ["take", 0], "student": ["take", 2], "improved": ["teacher_images", 0]}
    shown = {"images": ["take", 2], "decision": ["merged", 1], "final_images": ["merged", 0]}
    return {
        "take": node("AdaptiveTakeHeld", folder=FOLDER),
        "teacher_models": node("AdaptiveLoadDemoModels", "Teacher's models", role="teacher"),
        "teacher_prompt": encoded(["teacher_models", 1], "Prompts of the held", ["take", 3]),
        "teacher_negative": encoded(["teacher_models", 1], "Negative prompt", ""),
        **refined(*models, **taken, steps=TEACHER_STEPS, cfg=2.0),
        "merged": node("AdaptiveMerge", **merged),
        "report": node("AdaptiveReport", **shown),
        "sheet": node("PreviewImage", "Contact sheet", images=["report", 0]),
    }


def until_enough() -> Graph:
    """One prompt until enough images pass, and the best of them."""
    judging = {"vae": ["student_models", 2], "estimator": ["estimator", 0], "prompt": PROMPT, "table": "Demo"}
    drawing = {"model": ["student_models", 0], "positive": ["student_prompt", 0], "latent_image": ["size", 0]}
    settings = {"seed": SEED, "steps": 1, "images": 8, "limit": 32, "k": 20.0}
    return {
        **prompt_node(SCENE),
        "student_models": node("AdaptiveLoadDemoModels", "Student's models", role="student"),
        "student_prompt": encoded(["student_models", 1], "Prompt for the student"),
        "size": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "estimator": node("AdaptiveLoadEstimator", estimator="demo"),
        "student": node("AdaptiveUntilEnough", **drawing, **judging, **settings),
        "gate": node("AdaptiveThresholdGate", scores=["student", 2], student=["student", 3], table="Demo", k=20.0),
        "split": node("AdaptiveSplit", decision=["gate", 0], batch=["student", 1], top=2),
        "save": node("SaveImage", "The best two", images=["split", 5], filename_prefix="adaptive_best"),
        "every": node("PreviewImage", "All eight", images=["student", 1]),
    }


HOLD = Workflow(
    "Adaptive hold rejected",
    hold(),
    (
        about("note:hold", "prompts"),
        student_group(("student_models", "student_prompt", "size"), ("student", "student_images")),
        Group("Judge", YELLOW, (("estimator", "scores", "gate"),)),
        Group("Hold, and save", GREY, (("hold", "save"),)),
    ),
    runs=True,
    card=(Box("Student", "all day, alone in memory"), Box("Judge", "who needs the teacher"), Box("Hold", "for later")),
)
TEACHER_LATER = Workflow(
    "Adaptive teacher later",
    teacher_later(),
    (
        about("note:teacher later", "take"),
        Group("Teacher: what was held", BLUE, (TEACHER_COLUMN,)),
        result_group(("merged",), ("report",), ("sheet",)),
    ),
    runs=True,
    shown="sheet",
)
UNTIL_ENOUGH = Workflow(
    "Adaptive until enough",
    until_enough(),
    (
        about("note:until enough", "prompt"),
        student_group(("student_models", "student_prompt", "size", "estimator"), ("student",)),
        Group("Judge", YELLOW, (("gate", "split"),)),
        result_group(("save", "every")),
    ),
    runs=True,
    shown="every",
    sizes={"student": (330, 536)},
)
WORKFLOWS = (HOLD, TEACHER_LATER, UNTIL_ENOUGH)
