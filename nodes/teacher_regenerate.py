"""Regenerate the rejected images: draw them anew with the teacher (Algorithm 1, strategy 2)."""

from comfy_api.latest import io

from ..adaptive_diffusion.gate.decision import GateDecision
from ..host.node import ALIASES, CATEGORY, speaking_for
from ..host.rows.latents import Latent, emptied, fit_to_model
from ..host.sampling.schedules import REGENERATE_SCHEDULERS, full_sigmas
from .teacher_common import Choice, Placed, improve, make_job, missing_lazy, teacher_inputs

TITLE = "Teacher Regenerate"


class TeacherRegenerate(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AdaptiveTeacherRegenerate",
            display_name=TITLE,
            category=CATEGORY,
            description="Redraws the rejected images with the slow model. The student's seed gives its noise too.",
            search_aliases=[*ALIASES, "teacher", "redraw"],
            is_input_list=True,
            inputs=teacher_inputs(
                steps=25,
                schedulers=REGENERATE_SCHEDULERS,
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
        return missing_lazy(decision, linked)

    @classmethod
    def execute(cls, decision, max_batch, **inputs):
        with speaking_for(TITLE):
            return improve(decision, max_batch[0], inputs, _plan)


def _plan(decision: GateDecision, choice: Choice, part: Latent) -> Placed:
    latent = fit_to_model(choice["model"], emptied(part))
    sigmas = choice.get("sigmas")
    if sigmas is None:
        sigmas = full_sigmas(choice["model"], choice["scheduler"], choice["steps"], choice["sampler_name"])
    return [(range(len(decision.rejected)), make_job(decision, choice, latent, choice["seed"], sigmas.cpu()))]
