"""Examples on the demo models, which run at once."""

from typing import Any

from .parts import (
    BLUE,
    GREEN,
    GREY,
    PROMPT,
    YELLOW,
    Box,
    Graph,
    Group,
    Workflow,
    about,
    decoded,
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

SCENE = "a small green circle on sky"
SMALL = "a small red triangle on sky"
SEED = 2
STUDENT_COLUMNS = (("student_models", "student_prompt", "size"), ("student", "student_images"))
TEACHER_COLUMN = ("teacher_models", "teacher_prompt", "teacher_negative", "teacher", "teacher_images")
RESULT_COLUMNS = (("teacher_scores", "merged", "save"), ("report", "sheet"))
TEACHER_LINKS = (["teacher_models", 0], ["teacher_prompt", 0], ["teacher_negative", 0], ["student_models", 2])
TEACHER_STEPS, ALONE_STEPS = 5, 8


def student(batch: int) -> Graph:
    return {
        "student_models": node("AdaptiveLoadDemoModels", "Student's models", role="student"),
        "student_prompt": encoded(["student_models", 1], "Prompt for the student"),
        "size": node("EmptyLatentImage", width=64, height=64, batch_size=batch),
        **drawn(["student_models", 0], ["student_models", 2], positive=["student_prompt", 0], seed=SEED, steps=1),
    }


def teacher() -> Graph:
    """The teacher's models and prompts, and itself, refining."""
    return {
        "teacher_models": node("AdaptiveLoadDemoModels", "Teacher's models", role="teacher"),
        "teacher_prompt": encoded(["teacher_models", 1], "Prompt for the teacher"),
        "teacher_negative": encoded(["teacher_models", 1], "Negative prompt", ""),
        **refined(*TEACHER_LINKS, seed=SEED, steps=TEACHER_STEPS, cfg=2.0),
    }


def redrawing() -> Graph:
    """The same with Teacher Regenerate."""
    graph = teacher()
    inputs = {**graph["teacher"]["inputs"], "steps": ALONE_STEPS}
    return {**graph, "teacher": {"class_type": "AdaptiveTeacherRegenerate", "inputs": inputs}}


def report() -> Graph:
    """The teacher's images scored too, and a contact sheet of everything."""
    scored = {"estimator": ["estimator", 0], "images": ["teacher_images", 0], "decision": ["gate", 0]}
    return {
        "teacher_scores": node("AdaptiveQualityScore", "Quality Score of the teacher's images", **scored),
        **sheet(final_scores=["teacher_scores", 0]),
    }


def sheet(**report: Any) -> Graph:
    """A contact sheet of what was drawn and what came out."""
    shown = {"images": ["student_images", 0], "decision": ["merged", 1], "final_images": ["merged", 0]}
    return {
        "report": node("AdaptiveReport", **shown, **report),
        "sheet": node("PreviewImage", "Contact sheet", images=["report", 0]),
    }


def any_teacher() -> Graph:
    """A list of prompts, of which a KSampler is the teacher: Adaptive Split gives it what was rejected, and of what."""
    judging = judge("demo", table="Demo", k=50.0)
    judging["scores"]["inputs"]["prompt"] = ["prompts", 0]
    return {
        "prompts": node("AdaptiveLoadPrompts", file="demo", count=4, seed=SEED),
        "student_models": node("AdaptiveLoadDemoModels", "Student's models", role="student"),
        "student_prompt": encoded(["student_models", 1], "Every prompt, for the student", ["prompts", 0]),
        "size": node("EmptyLatentImage", width=64, height=64, batch_size=2),
        **drawn(
            ["student_models", 0],
            ["student_models", 2],
            positive=["student_prompt", 0],
            seed=["prompts", 1],
            steps=1,
        ),
        **judging,
        "split": node("AdaptiveSplit", decision=["gate", 0], batch=["student", 0]),
        "teacher_models": node("AdaptiveLoadDemoModels", "Teacher's models", role="teacher"),
        "teacher_prompt": encoded(["teacher_models", 1], "Prompts of the rejected", ["split", 2]),
        "teacher_negative": encoded(["teacher_models", 1], "Negative prompt", ""),
        "teacher": node(
            "KSampler",
            "Any sampler",
            model=["teacher_models", 0],
            positive=["teacher_prompt", 0],
            negative=["teacher_negative", 0],
            latent_image=["split", 1],
            seed=["split", 3],
            steps=ALONE_STEPS,
            cfg=2.0,
            sampler_name="euler",
            scheduler="normal",
            denoise=0.7,
        ),
        "teacher_images": decoded("teacher", ["student_models", 2]),
        **result("adaptive_any_teacher"),
        **sheet(teacher_steps=ALONE_STEPS),
    }


def search() -> Graph:
    """Best of N with a preset's settings, and the teacher with a rollback for each image that still fails."""
    student = dict(zip(("steps", "cfg", "sampler_name", "scheduler"), preset(0), strict=True))
    return {
        "preset": node("AdaptivePreset", preset="Demo"),
        **prompt_node(SMALL),
        "student_models": node("AdaptiveLoadDemoModels", "Student's models", role="student"),
        "student_prompt": encoded(["student_models", 1], "Prompt for the student"),
        "size": node("EmptyLatentImage", width=["preset", 4], height=["preset", 4], batch_size=8),
        "estimator": node("AdaptiveLoadEstimator", estimator="demo"),
        "student": node(
            "AdaptiveBestOfN",
            model=["student_models", 0],
            positive=["student_prompt", 0],
            latent_image=["size", 0],
            vae=["student_models", 2],
            estimator=["estimator", 0],
            prompt=PROMPT,
            table="Demo",
            seed=SEED,
            **student,
        ),
        "gate": node("AdaptiveThresholdGate", scores=["student", 2], student=["student", 3], table="Demo", k=20.0),
        "rollbacks": node("AdaptiveRollbackByScore", decision=["gate", 0]),
        **searched_teacher(),
        "merged": node("AdaptiveMerge", decision=["gate", 0], student=["student", 1], improved=["teacher_images", 0]),
        "save": node("SaveImage", images=["merged", 0], filename_prefix="adaptive_search"),
    }


def preset(first: int) -> list[list]:
    """Links to steps, cfg, sampler and scheduler of the preset, from its output `first` on."""
    return [["preset", first + i] for i in range(4)]


def searched_teacher() -> Graph:
    settings = dict(zip(("steps", "cfg", "sampler_name", "scheduler"), preset(5), strict=True))
    graph = teacher()
    inputs = {**graph["teacher"]["inputs"], **settings, "rollback": ["rollbacks", 0], "rollback_scale": ["preset", 10]}
    return {**graph, "teacher": {**graph["teacher"], "inputs": inputs}}


def calibration() -> Graph:
    links = {name: ["student_models", slot] for slot, name in enumerate(("model", "clip", "vae"))}
    return {
        **prompt_node(SCENE),
        **student(4),
        "preview": node("PreviewImage", "What is calibrated", images=["student_images", 0]),
        "estimator": node("AdaptiveLoadEstimator", estimator="demo"),
        "prompts": node("AdaptiveLoadPrompts", file="demo"),
        "calibrate": node(
            "AdaptiveCalibrate",
            **links,
            estimator=["estimator", 0],
            student=["student", 1],
            prompts=["prompts", 0],
            name="my student",
            batch=16,
        ),
    }


def calibration_of_any_graph() -> Graph:
    return {
        "prompts": node("AdaptiveLoadPrompts", file="demo", count=100),
        "models": node("AdaptiveLoadDemoModels", role="student"),
        "size": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "positive": encoded(["models", 1], "Every prompt", ["prompts", 0]),
        "sampler": node(
            "KSampler",
            "Any sampler",
            model=["models", 0],
            positive=["positive", 0],
            negative=["positive", 0],
            latent_image=["size", 0],
            seed=["prompts", 1],
            steps=1,
            cfg=1.0,
            sampler_name="lcm",
            scheduler="simple",
        ),
        "images": decoded("sampler", ["models", 2]),
        "estimator": node("AdaptiveLoadEstimator", estimator="demo"),
        "scores": node("AdaptiveQualityScore", estimator=["estimator", 0], images=["images", 0], prompt=["prompts", 0]),
        "table": node("AdaptiveTableFromScores", scores=["scores", 0], name="my graph"),
    }


def tuning() -> Graph:
    links = {name: ["student_models", slot] for slot, name in enumerate(("model", "clip", "vae"))}
    teacher = {name: ["teacher_models", slot] for slot, name in enumerate(("teacher_model", "teacher_clip"))}
    return {
        **prompt_node(SCENE),
        **student(4),
        "preview": node("PreviewImage", "What is tuned", images=["student_images", 0]),
        "estimator": node("AdaptiveLoadEstimator", estimator="demo"),
        "prompts": node("AdaptiveLoadPrompts", file="demo", count=60),
        "teacher_models": node("AdaptiveLoadDemoModels", "Teacher's models", role="teacher"),
        "teacher_negative": encoded(["teacher_models", 1], "Negative prompt", ""),
        "tune": node(
            "AdaptiveTune",
            **links,
            **teacher,
            estimator=["estimator", 0],
            student=["student", 1],
            prompts=["prompts", 0],
            teacher_negative=["teacher_negative", 0],
            name="my tuning",
            student_steps="1, 2, 4",
            teacher_steps=str(TEACHER_STEPS),
            teacher_cfg=2.0,
            rollback="0.5, 0.7",
            budgets="3, 6",
            batch=16,
        ),
    }


DEMO = Workflow(
    "Adaptive demo",
    {
        **prompt_node(SCENE),
        **student(8),
        **judge("demo", table="Demo gate", k=30.0),
        **teacher(),
        **result("adaptive_demo"),
        **report(),
    },
    (
        about("note:demo", "prompt"),
        student_group(*STUDENT_COLUMNS)._replace(folded=True),
        Group("", "", (("estimator", "scores"), ("gate",))),
        Group("Teacher", BLUE, (TEACHER_COLUMN, ("teacher_scores",)), folded=True),
        Group("", "", (("merged", "save"), ("report", "sheet"))),
    ),
    runs=True,
    shown="sheet",
    preset="Demo",
    page=(
        Group(
            "",
            "",
            (
                ("note:demo", "prompt", "estimator"),
                ("Student", "scores"),
                ("gate",),
                ("Teacher", "merged", "save"),
                ("report", "sheet"),
            ),
        ),
    ),
    sizes={
        "note:demo": (280, 470),
        "prompt": (280, 130),
        "save": (260, 250),
        "report": (330, 168),
        "sheet": (330, 300),
    },
)
BEST_OF_BOTH = Workflow(
    "Adaptive best of both",
    {
        **prompt_node(SMALL),
        **student(8),
        **judge("demo", k=60.0),
        **redrawing(),
        **result("adaptive_best", improved_scores=["teacher_scores", 0]),
        **report(),
    },
    (
        about("note:best of both", "prompt"),
        student_group(*STUDENT_COLUMNS),
        judge_group(),
        teacher_group(TEACHER_COLUMN),
        Group("Whichever scores higher", GREY, RESULT_COLUMNS),
    ),
    runs=True,
    shown="sheet",
    preset="Demo",
)
ANY_TEACHER = Workflow(
    "Adaptive with any teacher",
    any_teacher(),
    (
        about("note:any teacher", "prompts"),
        student_group(*STUDENT_COLUMNS),
        judge_group(),
        teacher_group(("split", "teacher_models", "teacher_prompt"), ("teacher_negative", "teacher", "teacher_images")),
        result_group(("merged", "save"), ("report",), ("sheet",)),
    ),
    runs=True,
    shown="sheet",
)
SEARCH = Workflow(
    "Adaptive search",
    search(),
    (
        about("note:search", "preset", "prompt"),
        student_group(("student_models", "student_prompt", "size"), ("estimator", "student", "note:when to search")),
        Group("Judge", YELLOW, (("gate", "rollbacks"),)),
        teacher_group(TEACHER_COLUMN),
        result_group(),
    ),
    runs=True,
    card=(
        Box("Student", "up to 3 candidates"),
        Box("Judge", "first that passes, else the best"),
        Box("Teacher", "the further under, the more"),
    ),
    preset="Demo",
)
CALIBRATION = Workflow(
    "Adaptive calibration",
    calibration(),
    (
        about("note:calibration", "prompt"),
        student_group(*STUDENT_COLUMNS),
        Group("Calibration", YELLOW, (("preview",), ("prompts", "estimator", "calibrate"))),
    ),
    runs=True,
    card=(Box("Prompts", "500 of them"), Box("Student", "one image each"), Box("Table", "of their scores")),
    preset="Demo",
)
CALIBRATION_OF_ANY_GRAPH = Workflow(
    "Adaptive calibration of any graph",
    calibration_of_any_graph(),
    (
        about("note:calibration of any graph"),
        Group("Anything that makes images", GREEN, (("prompts", "models", "positive", "size"), ("sampler", "images"))),
        Group("Table", YELLOW, (("estimator", "scores"), ("table",))),
    ),
    runs=True,
    card=(Box("Any graph", "many images"), Box("Judge", "their scores"), Box("Table", "for Threshold Gate")),
)
TUNING = Workflow(
    "Adaptive tuning",
    tuning(),
    (
        about("note:tuning", "prompt"),
        student_group(*STUDENT_COLUMNS),
        Group("Teacher", BLUE, (("teacher_models", "teacher_negative"),)),
        Group("Tuning", YELLOW, (("preview", "prompts", "estimator"), ("tune",))),
    ),
    runs=True,
    shown="tune",
    preset="Demo",
)
WORKFLOWS = (DEMO, BEST_OF_BOTH, ANY_TEACHER, SEARCH, CALIBRATION, CALIBRATION_OF_ANY_GRAPH, TUNING)
