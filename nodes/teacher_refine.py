"""Refine the rejected images: noise up to the rollback level, then the teacher (Algorithm 1, strategy 1)."""

from dataclasses import replace

from comfy_api.latest import io

from ..adaptive_diffusion.diffusion.noise import derive_seed
from ..adaptive_diffusion.diffusion.rollback import SCALES, start_sigma
from ..adaptive_diffusion.gate.decision import GateDecision
from ..host.node import ALIASES, CATEGORY, speaking_for
from ..host.rows.latents import Latent, fit_to_model, take
from ..host.sampling.drawing import Job
from ..host.sampling.schedules import REFINE_SCHEDULERS, ModelSchedule, enter, entered_sigmas
from .teacher_common import Choice, Placed, improve, make_job, missing_lazy, teacher_inputs

TITLE = "Teacher Refine"


class TeacherRefine(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AdaptiveTeacherRefine",
            display_name=TITLE,
            category=CATEGORY,
            description="Adds noise to the rejected images up to the rollback level; the slow model denoises them.",
            search_aliases=[*ALIASES, "img2img", "refiner", "teacher"],
            is_input_list=True,
            inputs=teacher_inputs(
                steps=12,
                schedulers=REFINE_SCHEDULERS,
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
        return missing_lazy(decision, linked) if any(rollback) else []

    @classmethod
    def execute(cls, decision, max_batch, **inputs):
        with speaking_for(TITLE):
            return improve(decision, max_batch[0], inputs, _plan)


def _plan(decision: GateDecision, choice: Choice, part: Latent) -> Placed:
    """A job for each different rollback; an image with rollback 0 has none."""
    rollbacks = [choice["rollback"][i] for i in decision.rejected]
    placed = []
    for rollback in sorted({*rollbacks} - {0}):
        places = [place for place, own in enumerate(rollbacks) if own == rollback]
        alike = replace(decision, rejected=tuple(decision.rejected[place] for place in places))
        placed.append((places, _job(alike, {**choice, "rollback": rollback}, take(part, places))))
    return placed


def _job(decision: GateDecision, choice: Choice, part: Latent) -> Job:
    latent = fit_to_model(choice["model"], part)
    return make_job(decision, choice, latent, derive_seed(choice["seed"], "refine"), _sigmas(choice))


def _sigmas(choice: Choice):
    scale, rollback = choice["rollback_scale"], choice["rollback"]
    if choice.get("sigmas") is None:
        name = choice["sampler_name"]
        return entered_sigmas(choice["model"], choice["scheduler"], choice["steps"], scale, rollback, name)
    schedule = ModelSchedule(choice["model"].get_model_object("model_sampling"))
    return enter(choice["sigmas"].cpu(), start_sigma(scale, rollback, schedule))
