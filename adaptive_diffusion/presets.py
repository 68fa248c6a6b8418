"""Pairs of student and teacher with the settings that their makers publish.

A teacher's steps are those of refining: the published number where the pair is the method's own, else 12, as there.
Where a pair has no published rollback, it is that of the method's SDXL base: 0.7 of the time axis on eps and v models
and the same share of noise, 0.9 of the variance, on flow models, whose time axis depends on their shift.
"""

from dataclasses import dataclass

OFFICIAL = "https://github.com/yandex-research/adaptive-diffusion"
HUB = "https://huggingface.co"
TEMPLATE = "ComfyUI template "
EXAMPLES = "https://comfyanonymous.github.io/ComfyUI_examples"


@dataclass(frozen=True)
class Role:
    """How a student or a teacher runs. model: what to load, and the nodes that belong to it.

    shift: of its ModelSampling node, where it has one. alone: the published steps of a teacher that draws from nothing.
    """

    model: str
    steps: int
    cfg: float
    sampler: str
    scheduler: str
    shift: float | None = None
    alone: int | None = None


@dataclass(frozen=True)
class Preset:
    """A pair. size: the student's, in pixels. rollback: where refining starts, in `scale`; usual from low to high.

    source: where the settings are from.
    """

    student: Role
    teacher: Role
    size: int
    rollback: float
    scale: str
    low: float
    high: float
    source: str


def _unipc(model: str, steps: int, cfg: float, alone: int | None = None) -> Role:
    """A teacher with the method's own sampler."""
    return Role(model, steps, cfg, "unipc_diffusers", "uniform", alone=alone)


def _sdxl(student: Role, source: str) -> Preset:
    return Preset(student, _unipc("SDXL base", 12, 8.0, 50), 1024, 0.7, "schedule", 0.5, 0.8, source)


def _flow(student: Role, teacher: Role, source: str, size: int = 1024) -> Preset:
    return Preset(student, teacher, size, 0.9, "variance", 0.72, 0.96, source)


PRESETS = {
    "LCM-SDXL + SDXL": Preset(
        Role("LCM-SDXL + LCM Guidance", 4, 1.0, "lcm", "lcm"),
        _unipc("SDXL base", 12, 8.0, 50),
        *(1024, 0.7, "official", 0.5, 0.8, OFFICIAL),
    ),
    "SDXL-Turbo + SDXL refiner": Preset(
        Role("SDXL-Turbo", 2, 1.0, "euler_ancestral", "trailing"),
        _unipc("SDXL refiner", 4, 8.0),
        *(512, 0.3, "official", 0.1, 0.4, OFFICIAL),
    ),
    "LCM-LoRA + SDXL": _sdxl(
        Role("SDXL base + LCM-LoRA", 4, 1.0, "lcm", "lcm"), f"{HUB}/latent-consistency/lcm-lora-sdxl"
    ),
    "SDXL-Lightning + SDXL": _sdxl(
        Role("SDXL base + SDXL-Lightning LoRA (4 steps)", 4, 1.0, "euler", "sgm_uniform"),
        f"{HUB}/ByteDance/SDXL-Lightning",
    ),
    "DMD2 + SDXL": _sdxl(Role("DMD2 SDXL (4 steps)", 4, 1.0, "lcm", "trailing"), f"{HUB}/tianweiy/DMD2"),
    "LCM-LoRA + SD1.5": Preset(
        Role("SD1.5 + LCM-LoRA", 4, 1.0, "lcm", "lcm"),
        _unipc("SD1.5", 12, 8.0, 50),
        *(512, 0.7, "schedule", 0.5, 0.8, f"{HUB}/latent-consistency/lcm-lora-sdv1-5"),
    ),
    "FLUX.1-schnell + dev": _flow(
        Role("FLUX.1-schnell", 4, 1.0, "euler", "simple"),
        Role("FLUX.1-dev + FluxGuidance 3.5", 12, 1.0, "euler", "simple", alone=20),
        f"{TEMPLATE}flux_schnell",
    ),
    "FLUX.2 klein + base": _flow(
        Role("FLUX.2 klein 4B + Flux2Scheduler", 4, 1.0, "euler", "simple"),
        Role("FLUX.2 klein base 4B", 12, 5.0, "euler", "uniform", alone=20),
        f"{TEMPLATE}image_flux2_klein_text_to_image",
    ),
    "Z-Image-Turbo + Z-Image": _flow(
        Role("Z-Image-Turbo", 8, 1.0, "res_multistep", "simple", 3.0),
        Role("Z-Image", 12, 4.0, "res_multistep", "simple", 3.0, 25),
        f"{TEMPLATE}image_z_image_turbo",
    ),
    "Qwen-Image-Lightning + Qwen-Image": _flow(
        Role("Qwen-Image-2512 + Lightning LoRA (4 steps)", 4, 1.0, "euler", "simple", 3.1),
        Role("Qwen-Image-2512", 12, 4.0, "euler", "simple", 3.1, 50),
        f"{TEMPLATE}image_qwen_Image_2512",
        1328,
    ),
    "SD3.5-Large-Turbo + SD3.5-Large": _flow(
        Role("SD3.5-Large-Turbo", 4, 1.2, "euler", "sgm_uniform"),
        Role("SD3.5-Large", 12, 4.0, "euler", "sgm_uniform", alone=20),
        f"{EXAMPLES}/sd3",
    ),
    "HiDream-I1 fast + full": _flow(
        Role("HiDream-I1 fast", 16, 1.0, "lcm", "normal", 3.0),
        Role("HiDream-I1 full", 12, 5.0, "uni_pc", "simple", 3.0, 50),
        f"{TEMPLATE}hidream_i1_fast",
    ),
    "ERNIE-Image-Turbo + ERNIE-Image": _flow(
        Role("ERNIE-Image-Turbo", 8, 1.0, "euler", "simple"),
        Role("ERNIE-Image", 12, 4.0, "euler", "simple", alone=20),
        f"{TEMPLATE}image_ernie_image_turbo",
    ),
    "Demo": Preset(
        Role("demo student", 1, 1.0, "lcm", "lcm"),
        _unipc("demo teacher", 5, 2.0, 8),
        *(64, 0.7, "schedule", 0.4, 0.9, "docs/results.md"),
    ),
}
