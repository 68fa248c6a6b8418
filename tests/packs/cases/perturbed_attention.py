"""sd-perturbed-attention: guidance by a weaker evaluation of the same model."""

from graphs import node
from measure import on_teacher
from teacher import Teacher, on_model

PACK = "sd-perturbed-attention"
AT = {"unet_block": "middle", "unet_block_id": 0, "sigma_start": -1.0, "sigma_end": -1.0, "rescale": 0.0}
COMMON = {**AT, "rescale_mode": "full", "scale": 3.0}
TILES = {"tile_width": 64, "tile_height": 64, "tile_overlap": 16, "sigma_start": -1.0, "sigma_end": -1.0}
NAG = {"scale": 2.0, "tau": 2.5, "alpha": 0.5, "sigma_start": -1.0, "sigma_end": -1.0}


def nag() -> Teacher:
    return on_model("NormalizedAttentionGuidance", negative=["teacher_negative", 0], **NAG)


def core_nag() -> Teacher:
    patch = node("NAGuidance", model=["teacher_model", 0], nag_scale=5.0, nag_alpha=0.5, nag_tau=1.5)
    return Teacher({"patch": patch}, model=["teacher_patch", 0])


def xl(teacher: Teacher) -> Teacher:
    return Teacher(teacher.nodes, teacher.model, topology="SDXL")


PAG = on_model("PerturbedAttention", adaptive_scale=0.0, **COMMON)

CASES = [
    on_teacher(PACK, "PAG", PAG),
    on_teacher(PACK, "PAG on SDXL", xl(PAG)),
    on_teacher(PACK, "SEG", on_model("SmoothedEnergyGuidanceAdvanced", blur_sigma=-1.0, **COMMON)),
    on_teacher(PACK, "SWG", on_model("SlidingWindowGuidanceAdvanced", scale=5.0, **TILES)),
    on_teacher(PACK, "NAG", nag()),
    on_teacher(PACK, "core NAG", core_nag()),
]
