"""The inputs that every sampling node has, as KSampler names and bounds them."""

from comfy_api.latest import io

from ..host.samplers import SAMPLERS


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
        io.Combo.Input("sampler_name", options=SAMPLERS, default=sampler, tooltip=about_sampler),
        io.Combo.Input("scheduler", options=schedulers, default=scheduler, tooltip=about_scheduler),
    ]


def override_inputs(replaced: str) -> list[io.Input]:
    """A SAMPLER and SIGMAS to use instead of sampler_name and of the inputs `replaced`."""
    return [
        io.Sampler.Input("sampler", optional=True, advanced=True, tooltip="Used instead of sampler_name."),
        io.Sigmas.Input("sigmas", optional=True, advanced=True, tooltip=f"Used instead of {replaced}."),
    ]
