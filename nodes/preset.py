"""The settings of a known pair of student and teacher, for the sampling nodes."""

from dataclasses import asdict

from comfy_api.latest import io

from ..adaptive_diffusion.presets import Preset
from ..host.files.presets import preset_named, preset_states, presets
from ..host.node import AdaptiveNode
from ..host.shown import show_text

STUDENT, TEACHER = "For Student Sample, Best of N and Budget.", "For the teacher's node."


class SamplingPreset(AdaptiveNode):
    TITLE = "Preset"

    @classmethod
    def define_schema(cls):
        offered = presets()
        return cls.schema(
            node_id="AdaptivePreset",
            description="Published settings of a student and its teacher, to link to the nodes that sample.",
            search_aliases=["settings", "lcm", "turbo", "lightning", "schnell", "klein", "z-image"],
            hidden=[io.Hidden.unique_id],
            inputs=[
                io.Combo.Input(
                    "preset",
                    options=list(offered),
                    extra_dict={"presets": {name: asdict(preset) for name, preset in offered.items()}},
                    tooltip="Which pair. Load the models that the node names. Those that Tune saved come last.",
                )
            ],
            outputs=[
                io.Int.Output(display_name="student_steps", tooltip=STUDENT),
                io.Float.Output(display_name="student_cfg", tooltip=STUDENT),
                io.Combo.Output(display_name="student_sampler", tooltip=STUDENT),
                io.Combo.Output(display_name="student_scheduler", tooltip=STUDENT),
                io.Int.Output(display_name="size", tooltip="Width and height of the empty latent, in pixels."),
                io.Int.Output(display_name="teacher_steps", tooltip=TEACHER),
                io.Float.Output(display_name="teacher_cfg", tooltip=TEACHER),
                io.Combo.Output(display_name="teacher_sampler", tooltip=TEACHER),
                io.Combo.Output(display_name="teacher_scheduler", tooltip=TEACHER),
                io.Float.Output(display_name="rollback", tooltip="For Teacher Refine."),
                io.Combo.Output(display_name="rollback_scale", tooltip="For Teacher Refine, together with rollback."),
            ],
        )

    @classmethod
    def validate_inputs(cls, preset=None):
        return cls.answer(preset_named, [preset])

    @classmethod
    def fingerprint_inputs(cls, preset):
        return preset_states([preset])

    @classmethod
    def run(cls, preset):
        chosen = preset_named(preset)
        show_text(cls.hidden, _about(chosen))
        student, teacher = chosen.student, chosen.teacher
        return io.NodeOutput(
            *(student.steps, student.cfg, student.sampler, student.scheduler, chosen.size),
            *(teacher.steps, teacher.cfg, teacher.sampler, teacher.scheduler, chosen.rollback, chosen.scale),
        )


def _about(preset: Preset) -> str:
    roles = {"student": preset.student, "teacher": preset.teacher}
    models = [
        f"{name}: {role.model}" + (f", shift {role.shift:g}" if role.shift else "") for name, role in roles.items()
    ]
    return "\n".join([*models, f"rollback: {preset.low:g} to {preset.high:g}", preset.source])
