"""The inputs that every sampling node has, as KSampler names and bounds them."""

from comfy_api.latest import io

from ..host.sampling.samplers import sampler_names
from ..host.sampling.schedules import STUDENT, scheduler_names


def seed_input(tooltip: str) -> io.Input:
    return io.Int.Input("seed", default=0, min=0, max=0xFFFFFFFFFFFFFFFF, control_after_generate=True, tooltip=tooltip)


def steps_input(default: int, tooltip: str) -> io.Input:
    return io.Int.Input("steps", default=default, min=1, max=10000, tooltip=tooltip)


def cfg_input(default: float, tooltip: str) -> io.Input:
    return io.Float.Input("cfg", default=default, min=0.0, max=100.0, step=0.1, round=0.01, tooltip=tooltip)


def sampler_inputs(
    sampler: str, about_sampler: str, schedulers: list[str], scheduler: str, about_scheduler: str
) -> list[io.Input]:
    """sampler_name and scheduler with their defaults."""
    return [
        io.Combo.Input("sampler_name", options=sampler_names(), default=sampler, tooltip=about_sampler),
        io.Combo.Input("scheduler", options=schedulers, default=scheduler, tooltip=about_scheduler),
    ]


def override_inputs(replaced: str) -> list[io.Input]:
    """A SAMPLER and SIGMAS to use instead of sampler_name and of the inputs `replaced`."""
    return [
        io.Sampler.Input("sampler", optional=True, advanced=True, tooltip="Used instead of sampler_name."),
        io.Sigmas.Input("sigmas", optional=True, advanced=True, tooltip=f"Used instead of {replaced}."),
    ]


def student_inputs() -> list[io.Input]:
    """What drawing a batch with the fast model takes."""
    return [
        io.Model.Input(
            "model", tooltip="The fast model: LCM, Turbo, Lightning, a distillation LoRA applied to a base."
        ),
        io.Conditioning.Input("positive", tooltip="What the images should show."),
        io.Latent.Input("latent_image", tooltip="An empty latent, or an encoded image when denoise is below 1."),
        seed_input("Same seed, same images. Drawn as KSampler draws it."),
        steps_input(4, "More steps cost more; distilled models want 1 to 8."),
        cfg_input(1.0, "Guidance. 1 evaluates the model once a step, anything else twice. Most students want 1."),
        *sampler_inputs(
            "lcm",
            "lcm for LCM models, euler for Lightning, euler_ancestral for Turbo.",
            scheduler_names(STUDENT),
            "lcm",
            "'lcm' and 'trailing' are the exact timesteps of LCM and Turbo models.",
        ),
        io.Float.Input(
            "denoise",
            default=1.0,
            min=0.01,
            max=1.0,
            step=0.01,
            tooltip="1 draws from pure noise. Less keeps more of the given image; all steps run at any value.",
        ),
        io.Conditioning.Input("negative", optional=True, tooltip="What to avoid. Not needed at cfg 1."),
        *override_inputs("steps, scheduler and denoise"),
    ]
