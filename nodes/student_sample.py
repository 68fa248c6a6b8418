"""Draw a batch with the fast model."""

from comfy_api.latest import io

from ..adaptive_diffusion.decision import StudentInfo
from ..host.latents import fit_to_model, row_noise, with_samples
from ..host.models import model_name
from ..host.samplers import make_sampler
from ..host.sampling import Progress, sample
from ..host.schedules import STUDENT_SCHEDULERS, ModelSchedule, entered_sigmas, full_sigmas
from ..host.timing import STUDENT, timed
from ..host.types import ALIASES, CATEGORY, StudentInfoLink, speaking_for
from .sampling_inputs import cfg_input, override_inputs, sampler_inputs, seed_input, steps_input

TITLE = "Student Sample"
GIVEN = "given by a link"


class StudentSample(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AdaptiveStudentSample",
            display_name=TITLE,
            category=CATEGORY,
            description="Draws a batch with a few-step model: KSampler with the exact schedules of distilled models.",
            search_aliases=[*ALIASES, "sampler", "lcm", "turbo", "lightning"],
            inputs=[
                io.Model.Input(
                    "model", tooltip="The fast model: LCM, Turbo, Lightning, a distillation LoRA applied to a base."
                ),
                io.Conditioning.Input("positive", tooltip="What the images should show."),
                io.Latent.Input(
                    "latent_image", tooltip="An empty latent, or an encoded image when denoise is below 1."
                ),
                seed_input("Same seed, same images. Drawn as KSampler draws it."),
                steps_input(4, "More steps cost more; distilled models want 1 to 8."),
                cfg_input(
                    1.0, "Guidance. 1 evaluates the model once a step, anything else twice. Most students want 1."
                ),
                *sampler_inputs(
                    "lcm",
                    "lcm for LCM models, euler for Lightning, euler_ancestral for Turbo.",
                    STUDENT_SCHEDULERS,
                    "lcm",
                    "'lcm' and 'trailing' are the exact timesteps of LCM and Turbo models.",
                ),
                _denoise_input(),
                io.Conditioning.Input("negative", optional=True, tooltip="What to avoid. Not needed at cfg 1."),
                *override_inputs("steps, scheduler and denoise"),
            ],
            outputs=[
                io.Latent.Output(display_name="LATENT", tooltip="The batch, for VAE Decode and the teacher's node."),
                StudentInfoLink.Output(display_name="student", tooltip="The settings, for gate and tables."),
            ],
        )

    @classmethod
    def execute(
        cls,
        model,
        positive,
        latent_image,
        seed,
        steps,
        cfg,
        sampler_name,
        scheduler,
        denoise,
        negative=None,
        sampler=None,
        sigmas=None,
    ):
        with speaking_for(TITLE):
            latent = fit_to_model(model, latent_image)
            if sigmas is None:
                sigmas = _sigmas(model, scheduler, steps, denoise, sampler_name)
                scheduler = scheduler if denoise == 1 else f"{scheduler} from {denoise:g}"
            else:
                scheduler = GIVEN
            if sampler is None:
                sampler = make_sampler(sampler_name, ModelSchedule(model.get_model_object("model_sampling")).flow)
            else:
                sampler_name = GIVEN
            count = latent["samples"].shape[0]
            noise = row_noise(latent, range(count), count, seed)
            callback = Progress(model, len(sigmas) - 1).callback(len(sigmas) - 1)
            with timed(STUDENT, count):
                samples = sample(model, positive, negative, cfg, noise, latent, sampler, sigmas, seed, callback)
        ratio = model.get_model_object("latent_format").spacial_downscale_ratio
        height, width = (ratio * side for side in samples.shape[-2:])
        drawn = StudentInfo(
            model_name(model), len(sigmas) - 1, cfg, sampler_name, scheduler, width, height, _patches(model), seed
        )
        return io.NodeOutput(with_samples(latent, samples), drawn)


def _sigmas(model, scheduler: str, steps: int, denoise: float, sampler_name: str):
    if denoise < 1:
        return entered_sigmas(model, scheduler, steps, "schedule", denoise, sampler_name)
    return full_sigmas(model, scheduler, steps, sampler_name)


def _patches(model) -> str | None:
    return f"{len(model.patches)} weights patched" if model.patches else None


def _denoise_input() -> io.Input:
    return io.Float.Input(
        "denoise",
        default=1.0,
        min=0.01,
        max=1.0,
        step=0.01,
        tooltip="1 draws from pure noise. Less keeps more of the given image; all steps run at any value.",
    )
