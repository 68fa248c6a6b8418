"""An example on a student that `distill` made of the demo's teacher."""

from .demo import RESULT_COLUMNS, SCENE, report
from .parts import (
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

NAME = "my-student"
SEED, STEPS = 2, 5
VAE = ["models", 2]


def my_student() -> Graph:
    """One model plays both parts: with the LoRA it is the student."""
    return {
        **prompt_node(SCENE),
        "models": node("AdaptiveLoadDemoModels", "Your teacher's models", role="teacher"),
        "lora": node("LoraLoaderModelOnly", "Your student", model=["models", 0], lora_name=f"{NAME}.safetensors"),
        "positive": encoded(["models", 1], "Prompt for both"),
        "size": node("EmptyLatentImage", width=64, height=64, batch_size=8),
        **drawn(["lora", 0], VAE, seed=SEED, steps=1),
        **judge("demo", table=NAME, k=30.0),
        "negative": encoded(["models", 1], "Negative prompt", ""),
        **refined(["models", 0], ["positive", 0], ["negative", 0], VAE, seed=SEED, steps=STEPS, cfg=2.0),
        **result("adaptive_my_student"),
        **report(),
    }


MY_STUDENT = Workflow(
    "Adaptive my own student",
    my_student(),
    (
        about("note:my student", "prompt"),
        student_group(("models", "lora", "positive", "size"), ("student", "student_images")),
        judge_group(),
        teacher_group(("negative", "teacher", "teacher_images", "note:same model")),
        result_group(*RESULT_COLUMNS),
    ),
    runs=True,
    shown="sheet",
)
WORKFLOWS = (MY_STUDENT,)
