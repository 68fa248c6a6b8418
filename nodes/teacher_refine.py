"""Refine the rejected images: noise up to the rollback level, then the teacher (Algorithm 1, strategy 1)."""

from comfy_api.latest import io

from ..adaptive_diffusion.diffusion.rollback import SCALES
from ..host.node import AdaptiveNode
from ..host.plain import numbers
from ..host.sampling.schedules import REFINE
from ..host.sampling.teacher import plan_refine
from .teacher_common import PER_BATCH, improved, missing_lazy, teacher_inputs


class TeacherRefine(AdaptiveNode):
    TITLE = "Teacher Refine"
    LISTS = PER_BATCH

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveTeacherRefine",
            description="Adds noise to the rejected images up to the rollback level; the slow model denoises them.",
            search_aliases=["img2img", "refiner", "teacher"],
            hidden=[io.Hidden.unique_id],
            inputs=teacher_inputs(
                steps=12,
                schedulers=REFINE,
                about_schedulers="How the steps are spaced: evenly in time, or as ComfyUI's schedulers space them.",
                rollback=[
                    io.Float.Input(
                        "rollback",
                        display_name="Rollback (0 keep ... 1 redraw)",
                        default=0.7,
                        min=0.0,
                        max=1000.0,
                        step=0.01,
                        tooltip="How far back to go: higher changes more of the student's image.",
                    ),
                    io.Combo.Input(
                        "rollback_scale",
                        options=list(SCALES),
                        default=SCALES[0],
                        advanced=True,
                        tooltip="schedule: fraction of the time axis. variance: the paper's sigma. "
                        "official: the published code's timesteps. model sigma: an absolute noise level.",
                    ),
                ],
            ),
            outputs=[
                io.Latent.Output(
                    display_name="LATENT", is_output_list=True, tooltip="Only the rejected images, improved."
                )
            ],
        )

    @classmethod
    def check_lazy_status(cls, decision, rollback, **linked):
        return missing_lazy(linked) if any(numbers(rollback) or ()) and cls.any_rejected(decision) else []

    @classmethod
    def run(cls, decision, max_batch, **inputs):
        return improved(cls, decision, max_batch, inputs, plan_refine)
