"""Regenerate the rejected images: draw them anew with the teacher (Algorithm 1, strategy 2)."""

from comfy_api.latest import io

from ..host.node import AdaptiveNode
from ..host.sampling.schedules import REGENERATE
from ..host.sampling.teacher import plan_regenerate
from .teacher_common import PER_BATCH, improved, missing_lazy, teacher_inputs


class TeacherRegenerate(AdaptiveNode):
    TITLE = "Teacher Regenerate"
    LISTS = PER_BATCH

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveTeacherRegenerate",
            description="Redraws the rejected images with the slow model. The student's seed gives its noise too.",
            search_aliases=["teacher", "redraw"],
            hidden=[io.Hidden.unique_id],
            inputs=teacher_inputs(
                steps=25,
                schedulers=REGENERATE,
                about_schedulers="How the steps are spaced: evenly in time, or as ComfyUI's schedulers space them. "
                "leading: as in diffusers' pipeline for SDXL with UniPC.",
            ),
            outputs=[
                io.Latent.Output(
                    display_name="LATENT", is_output_list=True, tooltip="Only the rejected images, redrawn."
                )
            ],
        )

    @classmethod
    def check_lazy_status(cls, decision, **linked):
        return missing_lazy(linked) if cls.any_rejected(decision) else []

    @classmethod
    def run(cls, decision, max_batch, **inputs):
        return improved(cls, decision, max_batch, inputs, plan_regenerate)
