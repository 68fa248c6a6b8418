"""What a student is made with: the method and its numbers, and those that are taken where none are given."""

from dataclasses import asdict, dataclass
from typing import Any

ADD, LCM, LCM_LORA, CONVERT = "add", "lcm", "lcm-lora", "convert"
METHODS = (ADD, LCM, LCM_LORA)
NONE, TEACHER = "none", "teacher"
HIGHEST_GUIDANCE = 30.0
DEMO_NUMBERS: dict[str, dict[str, Any]] = {
    ADD: {"steps": 220, "batch": 32, "rate": 3e-4},
    LCM: {"steps": 200, "batch": 32, "rate": 3e-4},
    LCM_LORA: {"steps": 420, "batch": 32, "rate": 6e-5, "rank": 32},
    CONVERT: {"steps": 250, "batch": 32, "rate": 3e-4},
}
NUMBERS: dict[str, dict[str, Any]] = {
    ADD: {"steps": 2000, "batch": 4, "rate": 1e-5},
    LCM: {"steps": 2000, "batch": 4, "rate": 1e-5},
    LCM_LORA: {"steps": 1000, "batch": 4, "rate": 1e-4, "rank": 64},
    CONVERT: {"steps": 2000, "batch": 4, "rate": 1e-5},
}


@dataclass(frozen=True)
class Recipe:
    """guidance: lowest and highest scale of the teacher. features: NONE, TEACHER, or the folder of a DINOv2.

    rank: of a LoRA. size: width and height in pixels. checkpointing: whether activations are computed again to save
    memory. teacher_steps: in which the teacher draws what it is to teach, where there are no images. prediction,
    zero_snr: what a model is converted to.
    """

    method: str
    guidance: tuple[float, float]
    size: tuple[int, int]
    seed: int
    features: str = NONE
    rank: int = 0
    checkpointing: bool = False
    teacher_steps: int = 0
    prediction: str = ""
    zero_snr: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        return asdict(self)


def check_guidance(low: float, high: float) -> None:
    """ValueError where these are no scales that a teacher can be asked for."""
    if not 1 <= low <= high <= HIGHEST_GUIDANCE:
        raise ValueError(
            f"guidance is {low:g} to {high:g}; give the lower scale first, both from 1 (none) to {HIGHEST_GUIDANCE:g}, "
            "as you ask the teacher for them"
        )


def usual_guidance(method: str, cfg: float) -> tuple[float, float]:
    """What a teacher is meant to be asked for; half to twice of its w = cfg - 1 where the student takes guidance."""
    w = cfg - 1
    return (1 + w / 2, 1 + 2 * w) if method == LCM else (cfg, cfg)
