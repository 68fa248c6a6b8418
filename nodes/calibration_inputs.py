"""The inputs of the nodes that draw a student's images of many prompts, and a teacher's of the same."""

from typing import Any

from comfy_api.latest import io

from ..adaptive_diffusion.diffusion.rollback import SCALES
from ..adaptive_diffusion.gate.ways import STRATEGIES
from ..host.node import EstimatorLink, StudentInfoLink
from ..host.sampling.samplers import UNIPC, sampler_names
from ..host.sampling.schedules import REGENERATE, UNIFORM, scheduler_names
from ..host.sampling.teaching import Teaching


def calibration_inputs() -> list[io.Input]:
    """The student, its prompts and the estimator."""
    return [
        io.Model.Input("model", tooltip="The student, with its LoRA if it has one."),
        io.Clip.Input("clip", tooltip="The student's."),
        io.Vae.Input("vae", tooltip="The student's."),
        EstimatorLink.Input("estimator", tooltip="The one that will score your images."),
        StudentInfoLink.Input("student", tooltip="From Student Sample: its settings are repeated exactly."),
        io.String.Input("prompts", force_input=True, tooltip="A list of texts, such as from Load Prompts."),
    ]


def teacher_models() -> list[io.Input]:
    return [
        io.Model.Input("teacher_model", tooltip="The slow, good model."),
        io.Clip.Input("teacher_clip", tooltip="The teacher's."),
    ]


def drawing_inputs() -> list[io.Input]:
    """How the prompts are drawn."""
    return [
        io.Int.Input(
            "seed",
            default=0,
            min=0,
            max=2**63 - 1,
            control_after_generate=False,
            tooltip="Prompt i is drawn with seed + i.",
        ),
        io.Int.Input("batch", default=4, min=1, max=4096, tooltip="Images drawn at a time."),
    ]


def teacher_settings(steps: list[io.Input], rollback: list[io.Input]) -> list[io.Input]:
    """How the teacher samples, named as Preset's outputs are; steps, rollback: these inputs themselves."""
    return [
        *steps,
        io.Float.Input(
            "teacher_cfg",
            default=8.0,
            min=0.0,
            max=100.0,
            step=0.1,
            round=0.01,
            tooltip="As on the teacher's node: higher follows the prompt closer. Anything but 1 doubles the cost.",
        ),
        io.Combo.Input(
            "teacher_sampler", options=sampler_names(), default=UNIPC, tooltip="As sampler_name on the teacher's node."
        ),
        io.Combo.Input(
            "teacher_scheduler",
            options=scheduler_names(REGENERATE),
            default=UNIFORM,
            tooltip="As scheduler on the teacher's node. 'leading' is for regenerating alone.",
        ),
        *rollback,
        io.Combo.Input(
            "rollback_scale", options=list(SCALES), default=SCALES[0], advanced=True, tooltip="As on Teacher Refine."
        ),
    ]


def negative_input() -> io.Input:
    return io.Conditioning.Input(
        "negative", optional=True, tooltip="What the student is to avoid. Not needed at cfg 1."
    )


def optional_inputs() -> list[io.Input]:
    return [
        negative_input(),
        io.Conditioning.Input(
            "teacher_negative", optional=True, tooltip="What the teacher is to avoid. Not needed at cfg 1."
        ),
        io.Vae.Input("teacher_vae", optional=True, tooltip="The teacher's, where it is another than the student's."),
        EstimatorLink.Input(
            "judge",
            optional=True,
            tooltip="A better estimator, which says which image of a pair is better. It is used only here.",
        ),
    ]


def strategy_input() -> io.Input:
    return io.Combo.Input(
        "strategy",
        options=list(STRATEGIES),
        optional=True,
        advanced=True,
        tooltip="What the teacher does: as Teacher Refine, or as Teacher Regenerate, which has no rollback.",
    )


def settings_inputs() -> list[io.Input]:
    steps = io.Int.Input("teacher_steps", default=12, min=1, max=10000, tooltip="As on the teacher's node.")
    rollback = io.Float.Input(
        "rollback", default=0.7, min=0.0, max=1000.0, step=0.01, tooltip="As on Teacher Refine: higher changes more."
    )
    return [*drawing_inputs(), *teacher_settings([steps], [rollback]), *optional_inputs(), strategy_input()]


def teaching(
    vae: Any,
    teacher_model: Any,
    teacher_clip: Any,
    teacher_cfg: float,
    teacher_sampler: str,
    teacher_scheduler: str,
    rollback_scale: str,
    teacher_steps: int = 1,
    rollback: float = 0.0,
    teacher_negative: Any = None,
    teacher_vae: Any = None,
    strategy: str = STRATEGIES[0],
) -> Teaching:
    """The teacher of these inputs; vae: the student's."""
    settings = {
        "steps": teacher_steps,
        "cfg": teacher_cfg,
        "sampler_name": teacher_sampler,
        "scheduler": teacher_scheduler,
        "rollback": rollback,
        "rollback_scale": rollback_scale,
    }
    return Teaching(teacher_model, teacher_clip, teacher_vae or vae, teacher_negative, strategy, settings)
