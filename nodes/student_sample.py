"""Draw a batch with the fast model."""

from dataclasses import replace

from comfy_api.latest import io

from ..host.node import AdaptiveNode, StudentInfoLink
from ..host.sampling.call import Progress
from ..host.sampling.student import check_drawn, draw, other_steps, plan_student
from ..host.shown import show_text
from .sampling_inputs import student_inputs


class StudentSample(AdaptiveNode):
    TITLE = "Student Sample"

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveStudentSample",
            description="Draws a batch with a few-step model: KSampler with the exact schedules of distilled models.",
            search_aliases=["sampler", "lcm", "turbo", "lightning"],
            hidden=[io.Hidden.unique_id],
            inputs=student_inputs(),
            outputs=[
                io.Latent.Output(display_name="LATENT", tooltip="The batch, for VAE Decode and the teacher's node."),
                StudentInfoLink.Output(display_name="student", tooltip="The settings, for gate and tables."),
            ],
        )

    @classmethod
    def run(cls, **inputs):
        drawing, student = plan_student(**inputs)
        latent, spent = draw(drawing, Progress(drawing.model, len(drawing.sigmas) - 1))
        check_drawn(latent)
        for sentence in other_steps(drawing, student):
            show_text(cls.hidden, sentence)
        return io.NodeOutput(latent, replace(student, spent=spent))
