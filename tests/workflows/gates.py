"""Examples on the demo models that make a learned gate, or ask two judges."""

from .demo import ALONE_STEPS, SCENE, STUDENT_COLUMNS, TEACHER_COLUMN, TEACHER_STEPS, student, teacher
from .parts import (
    BLUE,
    GREEN,
    PROMPT,
    YELLOW,
    Box,
    Graph,
    Group,
    Workflow,
    about,
    decoded,
    encoded,
    node,
    prompt_node,
    result,
    result_group,
    student_group,
    teacher_group,
)

MODELS = ("model", "clip", "vae")


def learned_gate() -> Graph:
    links = {name: ["student_models", slot] for slot, name in enumerate(MODELS)}
    links |= {f"teacher_{name}": ["teacher_models", slot] for slot, name in enumerate(MODELS[:2])}
    return {
        **prompt_node(SCENE),
        **student(4),
        "preview": node("PreviewImage", "What is calibrated", images=["student_images", 0]),
        "estimator": node("AdaptiveLoadEstimator", estimator="demo"),
        "prompts": node("AdaptiveLoadPrompts", file="demo", count=300),
        "teacher_models": node("AdaptiveLoadDemoModels", "Teacher's models", role="teacher"),
        "teacher_negative": encoded(["teacher_models", 1], "Negative prompt", ""),
        "calibrate": node(
            "AdaptiveCalibrateGate",
            **links,
            estimator=["estimator", 0],
            student=["student", 1],
            prompts=["prompts", 0],
            teacher_negative=["teacher_negative", 0],
            name="my gate",
            teacher_steps=TEACHER_STEPS,
            teacher_cfg=2.0,
            batch=16,
        ),
    }


def gate_of_any_graph() -> Graph:
    """Every image goes to the teacher, whatever that is, and both are scored."""
    score = {"estimator": ["estimator", 0]}
    return {
        "prompts": node("AdaptiveLoadPrompts", file="demo", count=100),
        "student_models": node("AdaptiveLoadDemoModels", "Student's models", role="student"),
        "size": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "student_prompt": encoded(["student_models", 1], "Every prompt", ["prompts", 0]),
        "student": _sampled("student", "student_prompt", 1, 1.0, "lcm"),
        "student_images": decoded("student", ["student_models", 2]),
        "teacher_models": node("AdaptiveLoadDemoModels", "Teacher's models", role="teacher"),
        "teacher_prompt": encoded(["teacher_models", 1], "The same prompts", ["prompts", 0]),
        "teacher_negative": encoded(["teacher_models", 1], "Negative prompt", ""),
        "teacher": _sampled("teacher", "teacher_negative", ALONE_STEPS, 2.0, "euler"),
        "teacher_images": decoded("teacher", ["teacher_models", 2]),
        "estimator": node("AdaptiveLoadEstimator", estimator="demo"),
        "scores": node("AdaptiveQualityScore", images=["student_images", 0], prompt=["prompts", 0], **score),
        "improved": node("AdaptiveQualityScore", images=["teacher_images", 0], prompt=["prompts", 0], **score),
        "gate": node(
            "AdaptiveGateFromScores",
            scores=["scores", 0],
            improved_scores=["improved", 0],
            name="my graph gate",
            teacher="any sampler, 8 steps",
        ),
    }


def _sampled(role: str, negative: str, steps: int, cfg: float, sampler: str) -> dict:
    links = {"model": [f"{role}_models", 0], "positive": [f"{role}_prompt", 0], "negative": [negative, 0]}
    how = {"steps": steps, "cfg": cfg, "sampler_name": sampler, "scheduler": "simple"}
    return node("KSampler", "Any sampler", **links, latent_image=["size", 0], seed=["prompts", 1], **how)


def two_judges() -> Graph:
    return {
        **prompt_node(SCENE),
        **student(8),
        "cheap": node("AdaptiveLoadEstimator", "Asked about every image", estimator="demo"),
        "costly": node("AdaptiveLoadEstimator", "Asked where it is open", estimator="demo"),
        "estimator": node(
            "AdaptiveCombineEstimators",
            estimator_1=["cheap", 0],
            table_1="Demo",
            estimator_2=["costly", 0],
            table_2="Demo",
            weight_2=2.0,
            open_from=10.0,
            open_to=60.0,
        ),
        "scores": node("AdaptiveQualityScore", estimator=["estimator", 0], images=["student_images", 0], prompt=PROMPT),
        "gate": node("AdaptiveThresholdGate", scores=["scores", 0], student=["student", 1], k=30.0),
        **teacher(),
        **result("adaptive_two_judges"),
    }


LEARNED_GATE = Workflow(
    "Adaptive learned gate",
    learned_gate(),
    (
        about("note:learned gate", "prompt"),
        student_group(*STUDENT_COLUMNS),
        Group("Both models", BLUE, (("teacher_models", "teacher_negative"),)),
        Group("Gate", YELLOW, (("preview", "prompts", "estimator"), ("calibrate",))),
    ),
    runs=True,
    card=(Box("Student", "one image a prompt"), Box("Teacher", "improves each"), Box("Gate", "knows which pay")),
    preset="Demo",
)
GATE_OF_ANY_GRAPH = Workflow(
    "Adaptive gate of any graph",
    gate_of_any_graph(),
    (
        about("note:gate of any graph", "prompts"),
        Group("Anything fast", GREEN, (("student_models", "size", "student_prompt"), ("student", "student_images"))),
        Group(
            "Anything better",
            BLUE,
            (("teacher_models", "teacher_prompt", "teacher_negative"), ("teacher", "teacher_images")),
        ),
        Group("Gate", YELLOW, (("estimator", "scores"), ("improved",), ("gate",))),
    ),
    runs=True,
    card=(Box("Any graph", "many images"), Box("Any other", "the same prompts"), Box("Gate", "for Threshold Gate")),
)
TWO_JUDGES = Workflow(
    "Adaptive two judges",
    two_judges(),
    (
        about("note:two judges", "prompt"),
        student_group(*STUDENT_COLUMNS),
        Group("Judge", YELLOW, (("cheap", "costly", "estimator"), ("scores", "gate"))),
        teacher_group(TEACHER_COLUMN),
        result_group(),
    ),
    runs=True,
    card=(Box("Cheap judge", "every image"), Box("Costly judge", "what is left open"), Box("Gate", "by both")),
    preset="Demo",
)
WORKFLOWS = (LEARNED_GATE, GATE_OF_ANY_GRAPH, TWO_JUDGES)
