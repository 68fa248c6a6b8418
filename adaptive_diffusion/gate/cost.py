"""What a percentile k costs, and which k a cost allows (average steps as in arXiv 2312.10835, section 5)."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Spent:
    """What drawing one image took, counted where the model is called.

    steps: of the sampler. evaluations: rows of the network, those for guidance among them.
    failed: whether no image came out, so that the one before is kept.
    """

    steps: int
    evaluations: float
    failed: bool = False

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.steps + other.steps, self.evaluations + other.evaluations)


@dataclass(frozen=True)
class Costs:
    """What every image costs at the student, and what a rejected one costs more at the teacher, in `unit`."""

    student: float
    teacher: float
    unit: str = "steps"

    def __post_init__(self) -> None:
        if self.student <= 0 or self.teacher <= 0:
            raise ValueError(
                f"an image costs {self.student:g} {self.unit} at the student and {self.teacher:g} at the teacher; "
                "both must be above 0"
            )

    def average(self, k: float) -> float:
        """Expected cost per image when the worst `k` percent (0..100) of the student's images go to the teacher."""
        if not 0 <= k <= 100:
            raise ValueError(f"k is {k:g}; choose a percentage from 0 to 100")
        return self.student + self.teacher * k / 100

    def k_for(self, average: float) -> float:
        """The percentage k at which the expected cost per image is `average`; the inverse of `average`."""
        if not self.student <= average <= self.student + self.teacher:
            raise ValueError(
                f"an average of {average:g} {self.unit} cannot be met; choose from {self.student:g} "
                f"(never the teacher) to {self.student + self.teacher:g} (always)"
            )
        return 100 * (average - self.student) / self.teacher


_ONCE = [
    "unipc_diffusers", "euler", "euler_cfg_pp", "euler_ancestral", "euler_ancestral_cfg_pp", "lms", "dpm_fast",
    "dpmpp_2m", "dpmpp_2m_cfg_pp", "dpmpp_2m_sde", "dpmpp_2m_sde_gpu", "dpmpp_2m_sde_heun", "dpmpp_2m_sde_heun_gpu",
    "dpmpp_3m_sde", "dpmpp_3m_sde_gpu", "ddpm", "lcm", "ipndm", "ipndm_v", "deis", "res_multistep",
    "res_multistep_cfg_pp", "res_multistep_ancestral", "res_multistep_ancestral_cfg_pp", "gradient_estimation",
    "gradient_estimation_cfg_pp", "er_sde", "sa_solver", "ddim", "uni_pc", "uni_pc_bh2",
]  # fmt: skip
_TWICE = [
    "heun", "exp_heun_2_x0", "exp_heun_2_x0_sde", "dpm_2", "dpm_2_ancestral", "dpmpp_2s_ancestral",
    "dpmpp_2s_ancestral_cfg_pp", "dpmpp_sde", "dpmpp_sde_gpu", "seeds_2", "sa_solver_pece",
]  # fmt: skip
_EVALUATED = dict.fromkeys(_ONCE, (1, 0)) | dict.fromkeys(_TWICE, (2, 1)) | {"seeds_3": (3, 2), "heunpp2": (3, 3)}
SAMPLERS = {name: (*counts, name.endswith("_cfg_pp")) for name, counts in _EVALUATED.items()}
"""What is known of a sampler in ComfyUI, as counted: evaluations a step; how many fewer the last steps take in all;
whether it evaluates a linked negative at cfg 1 too."""


def evaluations(steps: int, cfg: float, sampler: str, negative: bool) -> int | None:
    """Evaluations of the network for an image in ComfyUI, guidance's among them; None of a sampler not known here.

    negative: whether one is linked; without, nothing is evaluated for guidance. The web pages' cost.js does the same.
    """
    if sampler not in SAMPLERS:
        return None
    each, fewer, _ = SAMPLERS[sampler]
    return max(each * steps - fewer, steps) * (2 if negative and takes_negative(cfg, sampler) else 1)


def takes_negative(cfg: float, sampler: str) -> bool:
    """Whether a linked negative is evaluated in ComfyUI: at any cfg but 1, and by some samplers there too."""
    return not math.isclose(cfg, 1) or SAMPLERS.get(sampler, (1, 0, False))[2]
